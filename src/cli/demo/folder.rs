//! The folder of the throw-away database.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::base::random::{Random, random_token};

/// A folder that only this user can read, and that goes when this value goes.
#[derive(Debug)]
pub struct ThrowAwayFolder(PathBuf);

impl ThrowAwayFolder {
    /// Makes one among the system's temporary files.
    pub fn create(random: &mut dyn Random) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("claimbridge-demo-{}", random_token(random)));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ThrowAwayFolder {
    fn drop(&mut self) {
        // Nobody is left to tell; the system clears its temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::SystemRandom;

    #[test]
    fn it_goes_with_its_content() {
        let folder = ThrowAwayFolder::create(&mut SystemRandom).unwrap();
        let path = folder.path().to_owned();
        std::fs::write(path.join("database"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
