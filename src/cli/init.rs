//! `init`: a commented `claimbridge.toml` and a master key.
//!
//! Always true: nothing that exists is overwritten — a master key that is lost
//! loses everything sealed under it — and only the present user can read what is made.

use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use url::Url;

use super::Failure;
use crate::{
    base::random::Random,
    config::{Config, template},
    keys::sealing::MasterKey,
};

/// Write a commented claimbridge.toml and a master key.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// What people and Entra will call this server, such as https://idp.contoso.com.
    #[arg(long, value_name = "URL", default_value = "http://localhost:8080")]
    public_url: Url,
    /// Where the SQLite database is to be, if not beside the configuration.
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
}

/// Writes both files beside each other; `path` is that of the configuration.
pub fn run(
    args: &InitArgs,
    path: &Path,
    random: &mut dyn Random,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let key = MasterKey::random(random);
    let database_url = database_url(args.database.as_deref())?;
    require_good(&args.public_url, &database_url, &key)?;
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&folder).map_err(|error| {
        Failure::usage(format!(
            "{} cannot be made ({error}); choose another folder with --config",
            folder.display()
        ))
    })?;
    let key_path = folder.join("master.key");
    if path.exists() {
        return Err(exists(path));
    }
    write_new(&key_path, &format!("{}\n", key.to_hex().as_str()))?;
    if let Err(failure) = write_new(path, &template::commented(&args.public_url, &database_url)) {
        // The key was made a moment ago and nothing is sealed under it yet.
        let _ = fs::remove_file(&key_path);
        return Err(failure);
    }
    let (config, key) = (path.display(), key_path.display());
    writeln!(
        out,
        "Wrote {config}; read it, then run `claimbridge check`."
    )?;
    writeln!(
        out,
        "Wrote {key}. Back it up now, apart from the database: without it everything sealed is lost."
    )?;
    Ok(())
}

/// As it is written into the file.
fn database_url(file: Option<&Path>) -> Result<String, Failure> {
    let Some(file) = file else {
        return Ok("sqlite://claimbridge.db".to_owned());
    };
    match file.to_str() {
        // What ends a text in TOML, or begins the options of an address.
        Some(name)
            if !name.contains(['"', '\\', '?', '#', '%']) && !name.contains(char::is_control) =>
        {
            Ok(format!("sqlite://{name}"))
        }
        _ => Err(Failure::usage(
            "--database: the name has characters that cannot stand in an address; choose a plainer one",
        )),
    }
}

/// What is written must be a configuration that `check` finds good.
fn require_good(public_url: &Url, database_url: &str, key: &MasterKey) -> Result<(), Failure> {
    let values = [
        ("CLAIMBRIDGE_PUBLIC_URL", public_url.as_str()),
        ("CLAIMBRIDGE_DATABASE_URL", database_url),
        ("CLAIMBRIDGE_MASTER_KEY", key.to_hex().as_str()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    Config::load(None, values.into_iter())?;
    Ok(())
}

/// A new file that only the present user can read.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())
            .and_then(|()| file.sync_all())
    });
    match written {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists(path)),
        Err(error) => Err(Failure::usage(format!(
            "{} cannot be written ({error}); choose another folder with --config",
            path.display()
        ))),
    }
}

fn exists(path: &Path) -> Failure {
    Failure::no(format!(
        "{} is there already and is not overwritten; move it away first, or choose another place with --config",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::base::random::SystemRandom;

    fn init(path: &Path) -> Result<String, Failure> {
        let args = InitArgs {
            public_url: "https://idp.contoso.com".parse().unwrap(),
            database: None,
        };
        let mut out = Vec::new();
        run(&args, path, &mut SystemRandom, &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn what_it_writes_can_be_loaded_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("etc/claimbridge.toml");
        let said = init(&path).unwrap();
        assert!(said.contains("Back it up now"), "{said}");
        Config::load(Some(&path), std::iter::empty()).unwrap();
        for name in ["claimbridge.toml", "master.key"] {
            let file = path.with_file_name(name);
            let mode = fs::metadata(file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn the_database_can_be_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claimbridge.toml");
        let mut args = InitArgs {
            public_url: "https://idp.contoso.com".parse().unwrap(),
            database: Some("/var/lib/claimbridge/\"odd\".db".into()),
        };
        let mut out = Vec::new();
        let failure = run(&args, &path, &mut SystemRandom, &mut out).unwrap_err();
        assert_eq!(failure.exit(), 2);
        assert!(!path.exists());
        args.database = Some("/var/lib/claimbridge/claimbridge.db".into());
        run(&args, &path, &mut SystemRandom, &mut out).unwrap();
        let config = Config::load(Some(&path), std::iter::empty()).unwrap();
        let url = config.database_url.expose();
        assert!(
            url.starts_with("sqlite:///var/lib/claimbridge/claimbridge.db"),
            "{url}"
        );
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claimbridge.toml");
        let key = folder.path().join("master.key");
        fs::write(&key, "mine").unwrap();
        assert_eq!(init(&path).unwrap_err().exit(), 1);
        assert_eq!(fs::read_to_string(&key).unwrap(), "mine");
        assert!(!path.exists());
        fs::rename(&key, folder.path().join("old.key")).unwrap();
        fs::write(&path, "mine").unwrap();
        assert_eq!(init(&path).unwrap_err().exit(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        assert!(!key.exists());
    }
}
