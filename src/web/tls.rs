//! The certificate that browsers are shown, and how it is replaced while people sign in.
//!
//! Always true: a handshake takes the pair that is in use and waits for nothing; a pair
//! that cannot be used, or that is worse than the one in use, never replaces it; the
//! private key is in memory only as the signer that rustls holds.
//!
//! Read next: [`ReloadingPair::look`]; `cli/tls_files.rs` calls it every minute.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::{
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    server::{ClientHello, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio_rustls::TlsAcceptor;
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

use crate::base::clock::Timestamp;

/// Chains and keys are a few kilobytes; a larger file is another file.
const MAX_BYTES: u64 = 1024 * 1024;

/// Why the certificate or its key cannot be used. Each sentence names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{0} cannot be read")]
    Unread(String, #[source] io::Error),
    /// A file is not readable as PEM of that kind.
    #[error("{0} holds no readable PEM of the kind that is needed")]
    Pem(String, #[source] rustls::pki_types::pem::Error),
    /// A file holds no certificate at all, such as one that is being written.
    #[error("{0} holds no certificate")]
    NoCertificate(String),
    /// The first certificate is not one.
    #[error("the first certificate in {0} cannot be read")]
    Certificate(String),
    /// Certificate and key do not fit, or the key is of an unknown kind.
    #[error("the TLS certificate and its key cannot be used together")]
    Pair(#[source] rustls::Error),
    /// It is a pair, but browsers would refuse it, and they accept the one in use.
    #[error("the new TLS certificate {0}, and the one in use is good")]
    Worse(Flaw),
}

/// Why browsers refuse a certificate that can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Flaw {
    /// Its time is over.
    #[error("has expired")]
    Expired,
    /// Its time has not begun.
    #[error("is not valid yet")]
    NotYetValid,
    /// It names other servers.
    #[error("is not for the name in public_url")]
    OtherName,
}

/// What the first certificate of a chain says about itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFacts {
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    certificate: CertificateDer<'static>,
}

impl CertificateFacts {
    /// Whether a browser that trusts its issuer accepts it at `now` for `host`.
    pub fn flaw(&self, host: &str, now: Timestamp) -> Option<Flaw> {
        if now < self.not_before {
            return Some(Flaw::NotYetValid);
        }
        if now > self.not_after {
            return Some(Flaw::Expired);
        }
        (!self.is_for(host)).then_some(Flaw::OtherName)
    }

    /// Whether it names `host` (a DNS name, or an IP address without brackets).
    fn is_for(&self, host: &str) -> bool {
        let Ok(name) = ServerName::try_from(host) else {
            return false;
        };
        ParsedCertificate::try_from(&self.certificate).is_ok_and(|certificate| {
            rustls::client::verify_server_name(&certificate, &name).is_ok()
        })
    }
}

/// Reads the dates and names of the first certificate in a PEM file.
pub fn certificate_facts(certificates: &Path) -> Result<CertificateFacts, TlsError> {
    let bytes = read(certificates)?;
    facts(&chain(&bytes, certificates)?, certificates)
}

/// Which files, and the name they must be for.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate with its chain (PEM).
    pub certificates: PathBuf,
    /// Its private key (PEM).
    pub key: PathBuf,
    /// The host of `public_url`.
    pub host: String,
}

/// The pair in use, and what was seen when the files were looked at last.
#[derive(Debug)]
pub struct ReloadingPair {
    files: TlsFiles,
    in_use: Arc<InUse>,
    seen: [u8; 32],
    waiting: Option<Waiting>,
}

/// A pair that browsers would refuse now. It stands in the files and may become good by time
/// alone, or the one in use may become no better.
#[derive(Debug)]
struct Waiting {
    pair: Used,
    told: Option<Flaw>,
}

/// What became of a look at the files.
#[derive(Debug)]
pub enum Look {
    /// There is nothing new to say.
    Unchanged,
    /// They hold a pair that new handshakes use.
    Replaced(CertificateFacts),
    /// They hold something else; the former pair stays. Told once for each content and reason.
    Kept(TlsError),
}

impl ReloadingPair {
    /// Reads the pair for the first time. One with a [`Flaw`] is taken: it may be all there is.
    pub fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let content = Content::read(&files);
        let seen = content.mark();
        let pair = content.pair(&files)?;
        Ok(Self {
            in_use: Arc::new(InUse(RwLock::new(Arc::new(pair)))),
            seen,
            waiting: None,
            files,
        })
    }

    /// What accepts connections: TLS 1.2 and 1.3, HTTP/1.1, with the pair that is in use at
    /// each handshake.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(TlsError::Pair)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&self.in_use) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// The certificate that is in use.
    pub fn facts(&self) -> CertificateFacts {
        self.in_use.get().facts.clone()
    }

    /// Until when the certificate is valid that is in use whenever it is asked.
    pub fn end(&self) -> impl Fn() -> Timestamp + Send + Sync + use<> {
        let in_use = Arc::clone(&self.in_use);
        move || in_use.get().facts.not_after
    }

    /// What is wrong with the certificate in use.
    pub fn flaw(&self, now: Timestamp) -> Option<Flaw> {
        self.in_use.get().facts.flaw(&self.files.host, now)
    }

    /// Looks at the files and uses what they hold if it is new and no worse. Compares
    /// contents: whoever renews may keep dates and sizes, or swap a link. What was worse is
    /// judged again at each look: a certificate may be dated a little ahead, and the one in
    /// use ends one day.
    pub fn look(&mut self, now: Timestamp) -> Look {
        let content = Content::read(&self.files);
        let mark = content.mark();
        if mark != self.seen {
            self.seen = mark;
            self.waiting = None;
            match content.pair(&self.files) {
                Ok(pair) => self.waiting = Some(Waiting { pair, told: None }),
                Err(error) => return Look::Kept(error),
            }
        }
        match self.waiting.take() {
            Some(new) => self.judge(new, now),
            None => Look::Unchanged,
        }
    }

    fn judge(&mut self, new: Waiting, now: Timestamp) -> Look {
        let flaw = new.pair.facts.flaw(&self.files.host, now);
        if let (None, Some(flaw)) = (self.flaw(now), flaw) {
            let is_told = new.told == Some(flaw);
            self.waiting = Some(Waiting {
                pair: new.pair,
                told: Some(flaw),
            });
            return if is_told {
                Look::Unchanged
            } else {
                Look::Kept(TlsError::Worse(flaw))
            };
        }
        let facts = new.pair.facts.clone();
        self.in_use.replace(new.pair);
        Look::Replaced(facts)
    }

    /// Forgets what was seen: the next look says anew what is wrong.
    pub fn look_anew(&mut self, now: Timestamp) -> Look {
        self.seen = [0; 32];
        self.look(now)
    }
}

/// The bytes of both files, or why there are none.
struct Content {
    certificates: Result<Zeroizing<Vec<u8>>, TlsError>,
    key: Result<Zeroizing<Vec<u8>>, TlsError>,
}

impl Content {
    fn read(files: &TlsFiles) -> Self {
        Self {
            certificates: read(&files.certificates),
            key: read(&files.key),
        }
    }

    /// The same for the same content.
    fn mark(&self) -> [u8; 32] {
        let mut both = Zeroizing::new(Vec::new());
        for file in [&self.certificates, &self.key] {
            match file {
                Ok(bytes) => both.extend_from_slice(digest(&SHA256, bytes).as_ref()),
                Err(error) => both.extend_from_slice(format!("{error:?}").as_bytes()),
            }
        }
        let mut mark = [0; 32];
        mark.copy_from_slice(digest(&SHA256, &both).as_ref());
        mark
    }

    fn pair(self, files: &TlsFiles) -> Result<Used, TlsError> {
        let chain = chain(&self.certificates?, &files.certificates)?;
        let facts = facts(&chain, &files.certificates)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key?)
            .map_err(|error| TlsError::Pem(files.key.display().to_string(), error))?;
        let pair = CertifiedKey::from_der(chain, key, &provider()).map_err(TlsError::Pair)?;
        Ok(Used {
            pair: Arc::new(pair),
            facts,
        })
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unread = |error| TlsError::Unread(path.display().to_string(), error);
    let file = fs::File::open(path).map_err(unread)?;
    let mut bytes = Zeroizing::new(Vec::new());
    io::Read::read_to_end(&mut io::Read::take(file, MAX_BYTES), &mut bytes).map_err(unread)?;
    Ok(bytes)
}

fn chain(bytes: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Pem(path.display().to_string(), error))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(path.display().to_string()));
    }
    Ok(chain)
}

fn facts(chain: &[CertificateDer<'static>], path: &Path) -> Result<CertificateFacts, TlsError> {
    let unreadable = || TlsError::Certificate(path.display().to_string());
    let first = chain.first().ok_or_else(unreadable)?;
    let (_, certificate) = parse_x509_certificate(first).map_err(|_| unreadable())?;
    let validity = certificate.validity();
    let at = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
    Ok(CertificateFacts {
        not_before: at(validity.not_before.timestamp()),
        not_after: at(validity.not_after.timestamp()),
        certificate: first.clone(),
    })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A pair as handshakes take it, and what its certificate says.
#[derive(Debug)]
struct Used {
    pair: Arc<CertifiedKey>,
    facts: CertificateFacts,
}

/// The pair in use. The lock is held for the copy of a pointer only.
#[derive(Debug)]
struct InUse(RwLock<Arc<Used>>);

impl InUse {
    fn get(&self) -> Arc<Used> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, pair: Used) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
    }
}

impl ResolvesServerCert for InUse {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.get().pair))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder {
        files: TlsFiles,
        _folder: tempfile::TempDir,
    }

    fn made(host: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn expired(host: &str) -> (String, String) {
        valid(host, (2020, 1), (2020, 2))
    }

    /// Valid from the first of a month to the first of another.
    fn valid(host: &str, from: (i32, u8), until: (i32, u8)) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut wanted = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
        wanted.not_before = rcgen::date_time_ymd(from.0, from.1, 1);
        wanted.not_after = rcgen::date_time_ymd(until.0, until.1, 1);
        (wanted.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    impl Folder {
        fn with((certificate, key): &(String, String)) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let files = TlsFiles {
                certificates: folder.path().join("c.pem"),
                key: folder.path().join("k.pem"),
                host: "idp.contoso.com".to_owned(),
            };
            let all = Self {
                files,
                _folder: folder,
            };
            all.write(certificate, key);
            all
        }

        fn write(&self, certificate: &str, key: &str) {
            fs::write(&self.files.certificates, certificate).unwrap();
            fs::write(&self.files.key, key).unwrap();
        }

        fn open(&self) -> ReloadingPair {
            ReloadingPair::open(self.files.clone()).unwrap()
        }
    }

    fn now() -> Timestamp {
        Timestamp::parse_rfc3339("2026-11-21T12:00:00Z").unwrap()
    }

    fn in_use(pair: &ReloadingPair) -> String {
        data_encoding::HEXLOWER.encode(&pair.in_use.get().pair.cert[0])
    }

    #[test]
    fn a_new_good_pair_replaces_the_old_one() {
        let folder = Folder::with(&made("idp.contoso.com"));
        let mut pair = folder.open();
        let old = in_use(&pair);
        assert!(matches!(pair.look(now()), Look::Unchanged));
        let (certificate, key) = made("idp.contoso.com");
        folder.write(&certificate, &key);
        assert!(matches!(pair.look(now()), Look::Replaced(_)));
        assert_ne!(in_use(&pair), old);
        assert!(matches!(pair.look(now()), Look::Unchanged));
    }

    #[test]
    fn half_of_a_new_pair_waits_for_the_other_half_and_is_told_once() {
        let (certificate, key) = made("idp.contoso.com");
        let folder = Folder::with(&(certificate, key.clone()));
        let mut pair = folder.open();
        let old = in_use(&pair);
        let (new_certificate, new_key) = made("idp.contoso.com");
        folder.write(&new_certificate, &key);
        let Look::Kept(error) = pair.look(now()) else {
            panic!("half of a pair was used")
        };
        assert!(matches!(error, TlsError::Pair(_)), "{error}");
        assert!(matches!(pair.look(now()), Look::Unchanged));
        assert!(matches!(pair.look_anew(now()), Look::Kept(_)));
        assert_eq!(in_use(&pair), old);
        folder.write(&new_certificate, &new_key);
        assert!(matches!(pair.look(now()), Look::Replaced(_)));
        assert_ne!(in_use(&pair), old);
    }

    #[test]
    fn what_cannot_be_read_never_replaces_what_is_in_use() {
        let folder = Folder::with(&made("idp.contoso.com"));
        let mut pair = folder.open();
        let old = in_use(&pair);
        let (certificate, key) = made("idp.contoso.com");
        for (certificate, key) in [
            ("", key.as_str()),
            (&certificate[..certificate.len() / 2], &key),
            (&certificate, &key[..key.len() / 2]),
            (&certificate, &certificate),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                &key,
            ),
        ] {
            folder.write(certificate, key);
            assert!(matches!(pair.look(now()), Look::Kept(_)), "{certificate}");
            assert_eq!(in_use(&pair), old);
        }
        folder.write(&certificate, &key);
        fs::remove_file(&folder.files.key).unwrap();
        let Look::Kept(error) = pair.look(now()) else {
            panic!("a key that is not there was used")
        };
        assert!(
            error.to_string().contains("k.pem cannot be read"),
            "{error}"
        );
        assert!(matches!(pair.look(now()), Look::Unchanged));
    }

    #[test]
    fn a_pair_that_browsers_refuse_replaces_no_good_one_but_a_bad_one() {
        let folder = Folder::with(&made("idp.contoso.com"));
        let mut pair = folder.open();
        for ((certificate, key), wanted) in [
            (expired("idp.contoso.com"), Flaw::Expired),
            (made("idp.fabrikam.com"), Flaw::OtherName),
        ] {
            folder.write(&certificate, &key);
            let Look::Kept(TlsError::Worse(flaw)) = pair.look(now()) else {
                panic!("{wanted} was used")
            };
            assert_eq!(flaw, wanted);
        }
        let folder = Folder::with(&expired("idp.contoso.com"));
        let mut pair = folder.open();
        assert_eq!(pair.flaw(now()), Some(Flaw::Expired));
        let (certificate, key) = made("idp.fabrikam.com");
        folder.write(&certificate, &key);
        assert!(matches!(pair.look(now()), Look::Replaced(_)));
    }

    #[test]
    fn a_pair_that_is_dated_ahead_is_used_when_its_time_has_come() {
        let host = "idp.contoso.com";
        let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let early = valid(host, (2026, 12), (2027, 12));
        for (until, taken) in [
            // Its own time begins before the other's ends.
            ((2027, 2), "2026-12-02T00:00:00Z"),
            // The other's ends before: then neither is good, and it is the newer one.
            ((2026, 11), "2026-11-02T00:00:00Z"),
        ] {
            let folder = Folder::with(&valid(host, (2026, 1), until));
            let mut pair = folder.open();
            let end = pair.end();
            folder.write(&early.0, &early.1);
            let Look::Kept(TlsError::Worse(flaw)) = pair.look(at("2026-10-21T12:00:00Z")) else {
                panic!("it is not valid yet")
            };
            assert_eq!(flaw, Flaw::NotYetValid);
            let again = pair.look(at("2026-10-21T12:01:00Z"));
            assert!(matches!(again, Look::Unchanged), "told once: {again:?}");
            assert!(end() <= at("2027-02-01T00:00:00Z"));
            assert!(matches!(pair.look(at(taken)), Look::Replaced(_)));
            assert_eq!(end(), at("2027-12-01T00:00:00Z"));
            assert!(matches!(pair.look(at(taken)), Look::Unchanged));
        }
    }

    #[test]
    fn the_dates_and_names_of_a_certificate_are_told() {
        let folder = Folder::with(&expired("*.contoso.com"));
        let facts = certificate_facts(&folder.files.certificates).unwrap();
        assert_eq!(facts.not_before.to_rfc3339(), "2020-01-01T00:00:00.000Z");
        assert_eq!(facts.not_after.to_rfc3339(), "2020-02-01T00:00:00.000Z");
        let then = Timestamp::parse_rfc3339("2020-01-15T00:00:00Z").unwrap();
        assert_eq!(facts.flaw("idp.contoso.com", then), None);
        assert_eq!(facts.flaw("contoso.com", then), Some(Flaw::OtherName));
        let before = Timestamp::parse_rfc3339("2019-01-15T00:00:00Z").unwrap();
        assert_eq!(
            facts.flaw("idp.contoso.com", before),
            Some(Flaw::NotYetValid)
        );
    }

    #[test]
    fn unreadable_certificates_are_named() {
        let files = TlsFiles {
            certificates: "/nonexistent/cert.pem".into(),
            key: "/nonexistent/key.pem".into(),
            host: "idp.contoso.com".to_owned(),
        };
        let error = ReloadingPair::open(files).unwrap_err();
        assert!(error.to_string().contains("cert.pem"), "{error}");
    }
}
