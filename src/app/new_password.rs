//! What may become a password.
//!
//! No rules of composition: length (NIST SP 800-63B §3.1.1), how hard it is to guess
//! (zxcvbn, which knows common passwords, names, keyboard rows and dates offline), nothing
//! of the person's own name, and — where the operator has the file — no password of a known
//! leak. A password that is in use is never judged again.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;
use zxcvbn::Score;

use super::{App, Error};
use crate::base::{secret::Secret, text::Upn};

/// The least number of characters.
pub const SHORTEST: usize = 12;

/// The greatest number of characters.
pub const LONGEST: usize = 128;

/// Why something may not become a password: one sentence with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// Too short.
    #[error("the password has fewer than {SHORTEST} characters; add another word or two")]
    Short,
    /// Too long.
    #[error("the password has more than {LONGEST} characters; take a shorter one")]
    Long,
    /// Guessed within reach of an attacker; the estimator's reason.
    #[error("the password is too easy to guess; {0}")]
    Guessable(String),
    /// It stands in a list of leaked passwords.
    #[error(
        "the password stands in a list of leaked passwords, which attackers try first; take another"
    )]
    Leaked,
    /// The operator's list could not be read.
    #[error("the list of leaked passwords cannot be read")]
    List(#[source] io::Error),
}

impl App {
    /// Judges a new password of the person of that name and hashes it.
    pub(super) async fn hash_new_password(
        &self,
        password: Secret<String>,
        upn: &Upn,
        display_name: &str,
    ) -> Result<String, Error> {
        self.require_fit_password(password.clone(), upn, display_name)
            .await?;
        self.hash_password(password).await
    }

    /// Judges a new password of the person of that name.
    pub(super) async fn require_fit_password(
        &self,
        password: Secret<String>,
        upn: &Upn,
        display_name: &str,
    ) -> Result<(), Error> {
        let about = [
            upn.as_str().to_owned(),
            display_name.to_owned(),
            self.settings.service_name.clone(),
        ];
        let list = self.settings.breached_passwords_file.clone();
        self.hashing(move || {
            let about: Vec<&str> = about.iter().map(String::as_str).collect();
            require_fit(&password, &about, list.as_deref())
        })
        .await?
        .map_err(|unfit| match unfit {
            Unfit::List(error) => {
                Error::internal(format!("policy.breached_passwords_file: {error}"))
            }
            unfit => Error::invalid(unfit),
        })
    }
}

/// Whether this may become the password of someone who is called `about`.
///
/// Milliseconds; with a list two dozen reads of that file.
pub fn require_fit(
    password: &Secret<String>,
    about: &[&str],
    list: Option<&Path>,
) -> Result<(), Unfit> {
    let text = password.expose();
    match text.chars().count() {
        0..SHORTEST => return Err(Unfit::Short),
        SHORTEST..=LONGEST => {}
        _ => return Err(Unfit::Long),
    }
    // Their parts too: "agent1@contoso.com" is guessed as agent1, as contoso, as both.
    let parts: Vec<&str> = about
        .iter()
        .flat_map(|name| name.split(|c: char| !c.is_alphanumeric()))
        .chain(about.iter().copied())
        .filter(|part| part.chars().count() > 2)
        .collect();
    let estimate = zxcvbn::zxcvbn(text, &parts);
    if estimate.score() < Score::Three {
        let advice = estimate.feedback().and_then(|feedback| {
            let warning = feedback.warning().map(|warning| warning.to_string());
            warning.or_else(|| feedback.suggestions().first().map(ToString::to_string))
        });
        let advice = advice.unwrap_or_else(|| "add another word or two".to_owned());
        return Err(Unfit::Guessable(in_a_sentence(&advice)));
    }
    match list {
        Some(list) if leaked(text, list).map_err(Unfit::List)? => Err(Unfit::Leaked),
        _ => Ok(()),
    }
}

fn in_a_sentence(advice: &str) -> String {
    let advice = advice.trim_end_matches('.');
    let mut letters = advice.chars();
    let first = letters.next().map(|first| first.to_lowercase().to_string());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}

/// Whether the SHA-1 of `text` begins a line of the file. Its lines are in the order of
/// their hashes ("HASH:count", as haveibeenpwned.com gives them "ordered by hash"), so
/// halving finds it.
fn leaked(text: &str, list: &Path) -> io::Result<bool> {
    let wanted = Zeroizing::new(data_encoding::HEXUPPER.encode(&Sha1::digest(text.as_bytes())));
    let mut file = File::open(list)?;
    let (mut low, mut high) = (0, file.metadata()?.len());
    // The line that is looked for begins in low..high.
    while low < high {
        let middle = low + (high - low) / 2;
        let Some((at, hash)) = line_from(&mut file, middle, high)? else {
            // No line begins after the middle.
            high = middle;
            continue;
        };
        match hash.cmp(&wanted) {
            std::cmp::Ordering::Equal => return Ok(true),
            std::cmp::Ordering::Less => low = at + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    Ok(false)
}

/// The first line that begins at or after `from` and before `end`: where, and its hash.
fn line_from(file: &mut File, from: u64, end: u64) -> io::Result<Option<(u64, String)>> {
    /// A hash, a colon, a count, and a line break of two characters.
    const LONGEST_LINE: usize = 64;
    let start = from.saturating_sub(1);
    file.seek(SeekFrom::Start(start))?;
    let mut block = [0; 2 * LONGEST_LINE];
    let mut length = 0;
    while length < block.len() {
        match file.read(&mut block[length..])? {
            0 => break,
            read => length += read,
        }
    }
    let block = &block[..length];
    let offset = if from == 0 {
        0
    } else {
        match block.iter().position(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None => return Ok(None),
        }
    };
    let at = start + offset as u64;
    if at >= end {
        return Ok(None);
    }
    let hash = block[offset..].iter().take(40).copied().collect();
    let hash = String::from_utf8(hash)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a line is no hash"))?;
    Ok(Some((at, hash.to_ascii_uppercase())))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn judge(text: &str) -> Result<(), Unfit> {
        let about = ["agent1@contoso.com", "Agatha Onyx", "Contoso sign-in"];
        require_fit(&Secret::new(text.to_owned()), &about, None)
    }

    #[test]
    fn length_is_counted_in_characters() {
        let fit = "vörder khaqan";
        for (text, expected) in [
            (fit.chars().take(11).collect::<String>(), "short"),
            (fit.chars().take(12).collect(), "fit"),
            (fit.chars().cycle().take(128).collect(), "fit"),
            (fit.chars().cycle().take(129).collect(), "long"),
        ] {
            let got = match judge(&text) {
                Ok(()) => "fit",
                Err(Unfit::Short) => "short",
                Err(Unfit::Long) => "long",
                Err(other) => panic!("{text}: {other}"),
            };
            assert_eq!(got, expected, "{text}");
        }
    }

    #[test]
    fn what_is_guessed_first_is_refused_with_a_reason() {
        for text in [
            "password1234",
            "qwertyuiop12",
            "aaaaaaaaaaaaaaaa",
            "contosocontoso",
            "agent1@contoso.com",
            "abcdefghijkl",
            "Contoso sign-in",
        ] {
            let Err(refused) = judge(text) else {
                panic!("{text} was found fit");
            };
            assert!(matches!(refused, Unfit::Guessable(_)), "{text}: {refused}");
            let said = refused.to_string();
            assert!(!said.contains(text) && said.len() > 30, "{said}");
        }
        for text in [
            "correct horse battery",
            "u8#kd0-Lq2pZx",
            "märzveilchen und teer",
        ] {
            assert!(judge(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_leaked_password_is_found_wherever_it_stands() {
        let words: Vec<String> = (0..300)
            .map(|n| format!("leaked phrase {n} of many"))
            .collect();
        let mut lines: Vec<String> = words
            .iter()
            .map(|word| data_encoding::HEXUPPER.encode(&Sha1::digest(word.as_bytes())))
            .collect();
        lines.sort();
        for ending in ["\n", "\r\n"] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            for (number, line) in lines.iter().enumerate() {
                write!(file, "{line}:{}{ending}", number * 977).unwrap();
            }
            file.flush().unwrap();
            for word in &words {
                let found = require_fit(&Secret::new(word.clone()), &[], Some(file.path()));
                assert!(matches!(found, Err(Unfit::Leaked)), "{word}");
            }
            for number in 300..400 {
                let other = format!("leaked phrase {number} of many");
                let found = require_fit(&Secret::new(other.clone()), &[], Some(file.path()));
                assert!(found.is_ok(), "{other}");
            }
        }
    }

    #[test]
    fn an_empty_or_missing_list() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let fit = Secret::new("correct horse battery".to_owned());
        assert!(require_fit(&fit, &[], Some(file.path())).is_ok());
        let missing = require_fit(&fit, &[], Some(Path::new("/nonexistent/list")));
        assert!(matches!(missing, Err(Unfit::List(_))));
    }
}
