//! The server's own address: does it lead here, what do proxies do on the way, and what
//! does our metadata say there.

use std::net::IpAddr;

use data_encoding::BASE64;
use url::Url;

use super::{Finding, catalogue, probe::Seen};
use crate::{
    base::address_range::AddressRange,
    keys::certificate::Certificate,
    protocol::xml::{self, XmlLimits, signature::DSIG},
};

/// An address of nobody's (RFC 5737), which the doctor claims to come from.
pub const CLAIMED: &str = "203.0.113.77";
/// How long the address of the second question is, in bytes.
pub const LONG: usize = 8 * 1024;

/// What became of the question at the public address.
#[derive(Clone, Debug)]
pub enum Asked {
    /// No answer came, and why.
    Nobody(String),
    /// Somebody answered whose certificate is not accepted, and why.
    Distrusted(String),
    /// Somebody answered who is not this server.
    Other(u16),
    /// This server answered.
    Us(Box<Seen>),
}

/// Who speaks TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TlsEnd {
    /// This server (or nobody: a loopback address over http).
    Here,
    /// A proxy before it.
    Proxy,
}

/// Whether `public_url` leads here.
pub fn judge_reachable(public_url: &str, asked: &Asked) -> Finding {
    const CHECK: &super::Check = &catalogue::REACHABLE;
    match asked {
        Asked::Us(seen) => CHECK.good(
            public_url,
            format!("It leads to this server (version {})", seen.version),
        ),
        Asked::Nobody(why) => CHECK.problem(
            public_url,
            format!("Nobody answers there: {why}"),
            "start `serve`; see that the name leads to it and that the firewall and the proxy let it through; if this machine cannot reach its own public address, run doctor elsewhere with the same configuration",
        ),
        Asked::Distrusted(why) => CHECK.unseen(
            public_url,
            format!("Whoever answers there is not trusted: {why}"),
            "mend the certificate first",
        ),
        Asked::Other(status) => CHECK.problem(
            public_url,
            format!("Somebody else answers there (HTTP {status}, without the proof that this server gives)"),
            "see where the name leads, that the proxy passes /healthz and its headers on in both directions, that `serve` there has this master key and this version, and that the clocks are within ten minutes",
        ),
    }
}

/// The certificate that the world sees, where TLS itself refused it.
pub fn judge_distrust(public_url: &str, asked: &Asked) -> Option<Finding> {
    let Asked::Distrusted(why) = asked else {
        return None;
    };
    Some(catalogue::TLS_SEEN.problem(
        public_url,
        format!("The certificate is not accepted: {why}"),
        "see that the chain is complete (the server's certificate, then those of its issuers), for this name, and not expired",
    ))
}

/// Whether the server sees who asks. `sent` was claimed by us, as a stranger would.
pub fn judge_forwarded(
    public_url: &str,
    seen: &Seen,
    trusted: &[AddressRange],
    end: TlsEnd,
) -> Finding {
    const CHECK: &super::Check = &catalogue::FORWARDED;
    const ADD: &str = "let the proxy add the address it was asked from to X-Forwarded-For (nginx: `proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;`), or replace the header by it";
    let connection = seen.connection;
    let is_trusted = trusted.iter().any(|range| range.contains(connection));
    let hops: Vec<&str> = seen
        .forwarded
        .iter()
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .collect();
    let unchanged = hops == [CLAIMED];
    let added = hops.last().is_some_and(|last| *last != CLAIMED);
    if seen.believed.to_string() == CLAIMED {
        return if unchanged {
            CHECK.problem(
                public_url,
                format!("A stranger's X-Forwarded-For is believed: the proxy {connection} passes it on unchanged"),
                ADD,
            )
        } else {
            judge_claim_believed(public_url, &hops)
        };
    }
    match (end, is_trusted) {
        (_, true) if added => CHECK.good(
            public_url,
            format!("The proxy {connection} tells who asked, and a stranger's word for it is not believed"),
        ),
        (_, true) => CHECK.problem(
            public_url,
            format!("The proxy {connection} does not tell who asked: everybody's wrong guesses count as one"),
            ADD,
        ),
        (_, false) if added => CHECK.problem(
            public_url,
            format!("{connection} tells who asked, but is not believed: everybody behind it counts as one"),
            format!("if that is your proxy, write policy.trusted_proxies = [\"{connection}\"]"),
        ),
        (TlsEnd::Here, false) => CHECK.good(
            public_url,
            "Browsers connect directly, and a stranger's X-Forwarded-For is not believed",
        ),
        (TlsEnd::Proxy, false) => CHECK.problem(
            public_url,
            format!("{connection} stands before the server and does not tell who asked: everybody counts as one"),
            format!("{ADD}; then write policy.trusted_proxies = [\"{connection}\"]"),
        ),
    }
}

/// The claim was believed although somebody added to it: this machine is trusted itself, or an
/// outer proxy passes on what strangers say.
fn judge_claim_believed(public_url: &str, hops: &[&str]) -> Finding {
    const CHECK: &super::Check = &catalogue::FORWARDED;
    const REMEDY: &str = "run doctor once on a machine that is no proxy, with the same configuration; if it says the same there, an outer proxy passes on what strangers say: let it replace X-Forwarded-For";
    let after = hops.get(1).and_then(|hop| hop.parse::<IpAddr>().ok());
    if after.is_some_and(|address| address.is_loopback()) {
        return CHECK.note(
            public_url,
            "Whether strangers are believed cannot be seen from here: this machine itself is among policy.trusted_proxies",
            REMEDY,
        );
    }
    CHECK.unseen(
        public_url,
        "What this machine claimed was believed: either its own address is among policy.trusted_proxies, or an outer proxy passes on what strangers say",
        REMEDY,
    )
}

/// Whether an address of [`LONG`] bytes came through.
pub fn judge_long(public_url: &str, asked: &Asked) -> Finding {
    const CHECK: &super::Check = &catalogue::LONG_ADDRESS;
    const REMEDY: &str = "make the buffers of the proxy larger (nginx: `large_client_header_buffers 4 32k;`, HAProxy: `tune.bufsize 32768`)";
    match asked {
        Asked::Us(_) => CHECK.good(public_url, format!("An address of {LONG} bytes passes")),
        Asked::Other(status) => CHECK.problem(
            public_url,
            format!(
                "An address of {LONG} bytes is answered with HTTP {status} before it comes here"
            ),
            REMEDY,
        ),
        Asked::Nobody(why) | Asked::Distrusted(why) => CHECK.problem(
            public_url,
            format!("An address of {LONG} bytes gets no answer: {why}"),
            REMEDY,
        ),
    }
}

/// What plain http answered at the public host: status and `Location`; or why nothing did.
pub fn judge_plain(host: &str, answer: Result<(u16, Option<&str>), &str>) -> Finding {
    const CHECK: &super::Check = &catalogue::PLAIN_HTTP;
    let about = format!("http://{host}");
    match answer {
        Err(why) if why.contains("refused") => CHECK.good(about, "Nothing listens there"),
        Err(why) => CHECK.unseen(
            about,
            format!("Whether something listens there could not be seen: {why}"),
            "look from another network: `curl -sI` must not answer 200",
        ),
        Ok((301 | 302 | 303 | 307 | 308, Some(to))) if is_https_at(to, host) => {
            CHECK.good(about, "It leads to https")
        }
        Ok((status @ 400.., _)) => CHECK.good(about, format!("It refuses (HTTP {status})")),
        Ok((status, _)) => CHECK.warning(
            about,
            format!("It answers {status} by http and does not lead to https"),
            "let the proxy answer 308 with the same address under https, or close port 80",
        ),
    }
}

fn is_https_at(address: &str, host: &str) -> bool {
    Url::parse(address).is_ok_and(|url| {
        url.scheme() == "https"
            && url.host_str() == Some(host)
            && url.username().is_empty()
            && url.password().is_none()
    })
}

/// What our metadata must say.
#[derive(Clone, Debug)]
pub struct OurMetadata<'a> {
    /// The address that was read.
    pub address: &'a str,
    /// The issuer that must stand there.
    pub issuer: &'a str,
    /// Where people are sent.
    pub sso_url: &'a str,
    /// The certificates that must stand there, DER.
    pub certificates: &'a [Vec<u8>],
}

/// Whether the metadata that the world reads says what it must.
pub fn judge_metadata(ours: &OurMetadata<'_>, status: u16, body: &[u8]) -> Finding {
    const CHECK: &super::Check = &catalogue::METADATA;
    const OTHER: &str = "see that the proxy passes /saml2/metadata on unchanged and caches nothing";
    let about = ours.address;
    match status {
        200 => {}
        421 => {
            return CHECK.problem(
                about,
                "The server is asked under another name than public_url's (HTTP 421)",
                "let the proxy pass the Host header on (nginx: `proxy_set_header Host $host;`), and see that public_url is the name that people type",
            );
        }
        status => return CHECK.problem(about, format!("It answers HTTP {status}"), OTHER),
    }
    let Ok(document) = xml::read(body, &XmlLimits::METADATA) else {
        return CHECK.problem(about, "What is there is no metadata", OTHER);
    };
    if document.root().attribute("entityID") != Some(ours.issuer) {
        return CHECK.problem(
            about,
            format!("It names another issuer than {}", ours.issuer),
            OTHER,
        );
    }
    let mut services = document
        .elements()
        .filter(|element| element.local_name() == "SingleSignOnService")
        .peekable();
    let leads_here = services.peek().is_some()
        && services.all(|element| element.attribute("Location") == Some(ours.sso_url));
    if !leads_here {
        return CHECK.problem(
            about,
            format!("It does not send people to {}", ours.sso_url),
            OTHER,
        );
    }
    let there: Vec<Vec<u8>> = document
        .elements()
        .filter(|element| element.is(DSIG, "X509Certificate"))
        .filter_map(|element| {
            let text: String = element.joined_text().split_whitespace().collect();
            BASE64.decode(text.as_bytes()).ok()
        })
        .collect();
    for wanted in ours.certificates {
        if !there.contains(wanted) {
            let name = Certificate::read(wanted).map_or_else(
                |_| "that is in use".to_owned(),
                |certificate| certificate.thumbprint(),
            );
            return CHECK.problem(
                about,
                format!("The signing certificate {name} is missing in it"),
                OTHER,
            );
        }
    }
    if there.iter().any(|found| !ours.certificates.contains(found)) {
        return CHECK.problem(
            about,
            "A signing certificate stands in it that is none of ours: whoever has its key is believed by everybody who reads this",
            "find out what alters it on the way; treat it as an attack",
        );
    }
    CHECK.good(about, "It names our issuer, address and certificates")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::doctor::Outcome::{self, Good, Note, Problem, Unseen, Warning};

    fn seen(connection: &str, believed: &str, forwarded: Option<&str>) -> Seen {
        Seen {
            connection: connection.parse().unwrap(),
            believed: believed.parse().unwrap(),
            forwarded: forwarded.map(str::to_owned),
            node: "n".to_owned(),
            version: "v".to_owned(),
            at: 0,
        }
    }

    #[test]
    fn who_is_believed() {
        use TlsEnd::{Here, Proxy};
        let (proxy, me) = ("10.0.0.2", "198.51.100.7");
        let both = "203.0.113.77, 198.51.100.7";
        let cases: [(TlsEnd, &[&str], Seen, Outcome); 11] = [
            // Directly, with TLS of our own.
            (Here, &[], seen(me, me, Some(CLAIMED)), Good),
            // Behind a proxy as it should be: it added who we are, or replaced the header.
            (Proxy, &["10.0.0.0/8"], seen(proxy, me, Some(both)), Good),
            (Proxy, &["10.0.0.0/8"], seen(proxy, me, Some(me)), Good),
            // It passes on what strangers say.
            (
                Proxy,
                &["10.0.0.0/8"],
                seen(proxy, CLAIMED, Some(CLAIMED)),
                Problem,
            ),
            // It drops the header and tells nothing.
            (Proxy, &["10.0.0.0/8"], seen(proxy, proxy, None), Problem),
            // It is not believed.
            (Proxy, &[], seen(proxy, proxy, Some(both)), Problem),
            (Proxy, &[], seen(proxy, proxy, None), Problem),
            (Proxy, &[], seen(proxy, proxy, Some(CLAIMED)), Problem),
            // TLS here and yet somebody before us that adds (a balancer).
            (Here, &[], seen(proxy, proxy, Some(both)), Problem),
            // We are a trusted proxy ourselves.
            (
                Proxy,
                &["10.0.0.0/8"],
                seen(proxy, CLAIMED, Some("203.0.113.77, 10.0.0.9")),
                Unseen,
            ),
            (
                Proxy,
                &["127.0.0.1"],
                seen("127.0.0.1", CLAIMED, Some("203.0.113.77, 127.0.0.1")),
                Note,
            ),
        ];
        for (end, trusted, seen, wanted) in cases {
            let trusted: Vec<AddressRange> =
                trusted.iter().map(|range| range.parse().unwrap()).collect();
            let finding = judge_forwarded("u", &seen, &trusted, end);
            assert_eq!(finding.outcome, wanted, "{end:?} {seen:?}: {finding:?}");
        }
    }

    #[test]
    fn where_the_address_leads() {
        let us = Asked::Us(Box::new(seen("127.0.0.1", "127.0.0.1", None)));
        for (asked, reachable, long) in [
            (us, Good, Good),
            (Asked::Other(404), Problem, Problem),
            (Asked::Nobody("refused".to_owned()), Problem, Problem),
            (Asked::Distrusted("expired".to_owned()), Unseen, Problem),
        ] {
            assert_eq!(judge_reachable("u", &asked).outcome, reachable, "{asked:?}");
            assert_eq!(judge_long("u", &asked).outcome, long, "{asked:?}");
            let distrusted = matches!(asked, Asked::Distrusted(_));
            assert_eq!(judge_distrust("u", &asked).is_some(), distrusted);
        }
        for (answer, wanted) in [
            (Err("Connection refused (os error 111)"), Good),
            (Err("operation timed out"), Unseen),
            (Ok((308, Some("https://idp.contoso.com/"))), Good),
            (Ok((301, Some("https://elsewhere.example/"))), Warning),
            (
                Ok((301, Some("https://idp.contoso.com.evil.example/"))),
                Warning,
            ),
            (Ok((301, Some("http://idp.contoso.com/"))), Warning),
            (Ok((302, None)), Warning),
            (Ok((200, None)), Warning),
            (Ok((403, None)), Good),
        ] {
            assert_eq!(
                judge_plain("idp.contoso.com", answer).outcome,
                wanted,
                "{answer:?}"
            );
        }
    }

    #[test]
    fn metadata_says_what_it_must() {
        use crate::protocol::saml::metadata::{IdpMetadata, encode_metadata};
        let encode = |issuer, url, certificates| {
            encode_metadata(&IdpMetadata {
                issuer,
                domain: None,
                sso_url: url,
                slo_url: "https://idp.example.com/saml2/slo",
                certificates,
            })
        };
        let good = encode("i", "u", &[b"a", b"b"]);
        let certificates = [b"a".to_vec(), b"b".to_vec()];
        let ours = OurMetadata {
            address: "m",
            issuer: "i",
            sso_url: "u",
            certificates: &certificates,
        };
        for (status, body, wanted) in [
            (200, good.clone(), Good),
            (200, encode("other", "u", &[b"a"]), Problem),
            (200, encode("i", "other", &[b"a"]), Problem),
            (200, encode("i", "u", &[b"a"]), Problem),
            (200, encode("i", "u", &[b"a", b"b", b"c"]), Problem),
            (200, "<html/>".to_owned(), Problem),
            (200, "no XML".to_owned(), Problem),
            (404, good.clone(), Problem),
            (421, good, Problem),
        ] {
            let finding = judge_metadata(&ours, status, body.as_bytes());
            assert_eq!(finding.outcome, wanted, "{status} {body}");
        }
    }
}
