//! What a hostile message costs before it is refused: allocations and bytes, counted on
//! this thread (attack 17). Time belongs in a bench.

use allocation_counter::{AllocationInfo, measure};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use claimbridge::{
    app::prove::Guess,
    base::{clock::Timestamp, secret::Secret},
    factor::webauthn::metadata::verify_metadata,
    inspect::{Context, inspect},
    protocol::{
        saml::{
            authn_request::{RequestError, UnverifiedAuthnRequest},
            binding::{self, BindingError, MAX_MESSAGE, MAX_RELAY_STATE, inflate},
        },
        xml::{Excess, Forbidden, XmlError, XmlLimits, read},
    },
};

use crate::mds_kit::{NOW, Publisher, payload, png, some_entries};

const KIB: u64 = 1024;

/// What `run` costs, and what it gives.
fn cost<T>(run: impl FnOnce() -> T) -> (AllocationInfo, T) {
    let mut result = None;
    let info = measure(|| result = Some(run()));
    (info, result.unwrap())
}

fn repeated(count: usize, piece: impl Fn(usize) -> String) -> String {
    (0..count).map(piece).collect()
}

/// Refused by the one pass over the text: no tree, no copy, nothing that grows with it.
#[test]
fn attack_17_what_is_over_a_limit_of_the_reader_costs_nothing() {
    let limits = XmlLimits::MESSAGE;
    let attributes = repeated(8_000, |n| format!(" a{n}='x'"));
    let namespaces = repeated(8_000, |n| format!(" xmlns:n{n}='urn:x'"));
    let spread = repeated(4_000, |n| format!("<a xmlns:n{n}='urn:x'/>"));
    let entities = format!("<a>{}</a>", "&e;".repeat(20_000));
    let laughs = format!(
        "<!DOCTYPE a [<!ENTITY e0 'ha'>{}]><a>&e9;</a>",
        repeated(9, |n| format!(
            "<!ENTITY e{} '{}'>",
            n + 1,
            format!("&e{n};").repeat(10)
        ))
    );
    for (name, text, refused) in [
        (
            "size",
            format!("<a>{}</a>", "x".repeat(10 << 20)),
            XmlError::TooLarge(Excess::Bytes(limits.bytes)),
        ),
        (
            "depth",
            "<a>".repeat(80_000),
            XmlError::TooLarge(Excess::Depth(limits.depth)),
        ),
        (
            "elements",
            format!("<a>{}</a>", "<b/>".repeat(60_000)),
            XmlError::TooLarge(Excess::Elements(limits.elements)),
        ),
        (
            "attributes",
            format!("<a{attributes}/>"),
            XmlError::TooLarge(Excess::Attributes(limits.attributes)),
        ),
        (
            "namespaces of one element",
            format!("<a{namespaces}/>"),
            XmlError::TooLarge(Excess::Namespaces(limits.namespaces)),
        ),
        (
            "namespaces of many",
            format!("<a>{spread}</a>"),
            XmlError::TooLarge(Excess::Namespaces(limits.namespaces)),
        ),
        ("entities", entities, XmlError::Forbidden(Forbidden::Entity)),
        (
            "entities of entities",
            laughs,
            XmlError::Forbidden(Forbidden::Doctype),
        ),
    ] {
        let (info, result) = cost(|| read(text.as_bytes(), &limits).map(|_| ()));
        assert_eq!(result, Err(refused), "{name}");
        assert_eq!(info.count_total, 0, "{name}: {info:?}");
    }
}

/// The dearest documents that are taken: their cost grows with their length and no faster.
#[test]
fn attack_17_what_is_within_the_limits_costs_no_more_than_its_length() {
    let limits = XmlLimits::MESSAGE;
    let wide = repeated(31, |n| format!(" a{n}='x'"));
    for (name, text) in [
        ("text", format!("<a>{}</a>", "x".repeat(limits.bytes - 7))),
        (
            "elements",
            format!("<a>{}</a>", "<b/>".repeat(limits.elements - 1)),
        ),
        (
            "attributes",
            format!("<a>{}</a>", format!("<b{wide}/>").repeat(1_000)),
        ),
        (
            "namespaces at every depth",
            format!(
                "{}{}",
                repeated(limits.depth, |d| format!(
                    "<a{}>",
                    repeated(4, |n| format!(" xmlns:n{d}x{n}='urn:x'"))
                )),
                "</a>".repeat(limits.depth)
            ),
        ),
        (
            "references",
            format!("<a>{}</a>", "&#65;".repeat(limits.bytes / 5 - 2)),
        ),
    ] {
        let (info, result) = cost(|| read(text.as_bytes(), &limits).is_ok());
        assert!(result, "{name}");
        let length = u64::try_from(text.len()).unwrap();
        assert!(
            info.bytes_max <= 160 * length + 64 * KIB,
            "{name}: {length} bytes cost {info:?}"
        );
        assert!(info.count_total <= length + 64, "{name}: {info:?}");
    }
}

fn deflated(bytes: usize) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..bytes / 1024 {
        encoder.write_all(&[b' '; 1024]).unwrap();
    }
    encoder.finish().unwrap()
}

/// A redirect: inflating stops at the size and at the ratio, whatever would follow.
#[test]
fn attack_17_a_bomb_is_not_inflated_further_than_its_limit() {
    for inflated in [64 << 10, 1 << 20, 64 << 20] {
        let bomb = deflated(inflated);
        let most = u64::try_from(MAX_MESSAGE.min(bomb.len() * 64)).unwrap();
        let (info, result) = cost(|| inflate(&bomb));
        assert_eq!(result, Err(BindingError::TooLarge), "{inflated}");
        // The decoder's own window is some 43 KiB; a Vec doubles.
        assert!(
            info.bytes_max <= 3 * most + 128 * KIB,
            "{inflated}: {info:?}"
        );
        assert!(
            info.bytes_total <= 4 * most + 160 * KIB,
            "{inflated}: {info:?}"
        );
    }
}

#[test]
fn attack_17_what_is_posted_too_large_is_not_even_decoded() {
    let limit = u64::try_from(MAX_MESSAGE).unwrap();
    let huge = BASE64.encode("x".repeat(20 << 20));
    let (info, result) = cost(|| binding::parse_post([("SAMLRequest", huge.as_str())]));
    assert_eq!(result, Err(BindingError::TooLarge));
    assert!(info.bytes_total <= KIB, "{info:?}");
    let padded = format!("{}{}", "\n".repeat(20 << 20), BASE64.encode("<a/>"));
    let (info, result) = cost(|| binding::parse_post([("SAMLRequest", padded.as_str())]));
    assert_eq!(result, Err(BindingError::TooLarge));
    assert!(info.bytes_total <= KIB, "{info:?}");
    // A little over the limit, decoded: refused before it is read.
    let over = BASE64.encode("x".repeat(MAX_MESSAGE + 1));
    let (info, result) =
        cost(|| UnverifiedAuthnRequest::parse_post([("SAMLRequest", over.as_str())]).map(|_| ()));
    assert!(matches!(
        result,
        Err(RequestError::Binding(BindingError::TooLarge))
    ));
    assert!(info.bytes_max <= 4 * limit, "{info:?}");
    let relay = "x".repeat(MAX_RELAY_STATE + 1);
    for fields in [
        [("SAMLRequest", "PGEvPg=="), ("RelayState", relay.as_str())],
        [("RelayState", relay.as_str()), ("SAMLRequest", "PGEvPg==")],
    ] {
        assert_eq!(binding::parse_post(fields), Err(BindingError::RelayState));
    }
    let query = format!(
        "SAMLRequest={}&RelayState={relay}",
        percent_encoding::utf8_percent_encode(
            &BASE64.encode(b"\xb3I\xd4\xb7\x03\0"),
            percent_encoding::NON_ALPHANUMERIC
        )
    );
    assert_eq!(
        binding::parse_redirect(&query),
        Err(BindingError::RelayState)
    );
}

/// The inspector reads what strangers send to support desks.
#[test]
fn attack_17_an_inspected_message_costs_no_more_than_its_length() {
    let context = Context::at(Timestamp::from_millis(1_795_168_800_000));
    let nested = |open: &str, close: &str, depth: usize| {
        format!("{{\"aud\":{}{}}}", open.repeat(depth), close.repeat(depth))
    };
    let bomb = BASE64.encode(deflated(64 << 20));
    let wrapped = (0..12).fold("<a/>".to_owned(), |inner, _| BASE64.encode(inner));
    let members = repeated(20_000, |n| format!("\"m{n}\":{n},"));
    for (name, input) in [
        ("nested arrays", nested("[", "]", 120_000)),
        ("nested objects", nested("{\"a\":", "}", 40_000)),
        (
            "too many bytes of JSON",
            format!("{{\"a\":\"{}\"}}", "x".repeat(900_000)),
        ),
        ("many members", format!("{{{members}\"z\":1}}")),
        ("a bomb", bomb),
        ("too many wrappings", wrapped),
        ("too large", format!("<a>{}</a>", "x".repeat(8 << 20))),
        ("open elements", "<a>".repeat(80_000)),
        ("percent signs", "%25".repeat(200_000)),
    ] {
        let (info, report) = cost(|| inspect(input.as_bytes(), &context));
        assert_ne!(report.exit_code(), 0, "{name}");
        let length = u64::try_from(input.len()).unwrap();
        // What is shown of it may be inflated up to the inspector's 1 MiB.
        assert!(
            info.bytes_max <= 24 * length + 4 * KIB * KIB,
            "{name}: {length} bytes cost {info:?}"
        );
    }
    let (info, _) = cost(|| inspect(nested("[", "]", 120_000).as_bytes(), &context));
    assert!(info.bytes_max <= 1_000 * KIB, "{info:?}");
}

/// The web layer reads no more of a body than it may have.
#[tokio::test]
async fn attack_17_a_body_is_read_up_to_its_limit_and_not_on() {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{
        body::{Body, Bytes},
        http::{Request, header},
    };
    let world = crate::support::World::new().await;
    for path in ["/saml2/sso", "/sign-in/att_x"] {
        let read = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&read);
        // 64 MiB, in pieces of 4 KiB, without a Content-Length.
        let pieces = (0..16 << 10).map(move |_| {
            counter.fetch_add(4096, Ordering::SeqCst);
            Bytes::from_static(&[b'a'; 4096])
        });
        let request = Request::post(path)
            .header(header::HOST, "idp.example.com")
            .header(header::ORIGIN, crate::support::PUBLIC_URL)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(axum::extract::ConnectInfo(std::net::SocketAddr::from((
                [203, 0, 113, 7],
                4000,
            ))))
            .body(Body::new(Pieces(pieces)))
            .unwrap();
        let router = world.nodes[0].router.clone();
        let answer = tower::ServiceExt::oneshot(router, request).await.unwrap();
        assert!(answer.status().is_client_error(), "{path}");
        let read = read.load(Ordering::SeqCst);
        assert!(read <= 256 * 1024 + 2 * 4096, "{path}: {read} bytes");
    }
}

/// A body of pieces that are made when they are asked for.
struct Pieces<I>(I);

impl<I: Iterator<Item = axum::body::Bytes> + Unpin> hyper::body::Body for Pieces<I> {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        let piece = self.0.next();
        std::task::Poll::Ready(piece.map(|piece| Ok(hyper::body::Frame::data(piece))))
    }
}

/// Anybody may type a pass for any name, and others wait for the transaction that looks at it:
/// one of a quarter of a mebibyte costs what a short one costs.
#[test]
fn attack_17_a_long_pass_is_not_even_folded() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let world = runtime.block_on(crate::support::World::new());
    runtime.block_on(world.add_user("agent1@contoso.com"));
    let typed = |name: &str, pass: String| {
        let mut browser = world.browser();
        runtime.block_on(browser.get("/account"));
        let attempt = browser.at.split('/').nth(2).unwrap().parse().unwrap();
        let cookies = browser.app_cookies();
        let pass = Secret::new(pass);
        let app = world.app();
        let (info, guess) =
            cost(|| runtime.block_on(app.submit_pass(&attempt, &cookies, name, &pass)));
        assert_eq!(guess.unwrap(), Guess::Wrong);
        info
    };
    for name in ["agent1@contoso.com", "nobody@contoso.com"] {
        // Once before, because the first has what is made once to make.
        typed(name, "x".repeat(12));
        let short = typed(name, "x".repeat(12));
        let long = typed(name, "\u{fdfa}".repeat(87_000));
        assert!(
            long.bytes_total <= 2 * short.bytes_total,
            "{name}: {long:?}, and a short one {short:?}"
        );
    }
}

/// The metadata's pictures: what is too long for one is not even decoded.
#[test]
fn attack_17_a_picture_over_its_limit_is_not_decoded() {
    let publisher = Publisher::new();
    let bytes_for = |icon: &str| {
        let mut entries = some_entries(b"root");
        entries[0]["metadataStatement"]["icon"] = icon.into();
        let file = publisher.publish(&payload(1, &entries));
        let roots = publisher.roots();
        let (info, read) = cost(|| verify_metadata(&file, &roots, None, NOW));
        let known = read.unwrap();
        assert!(known.entries()[0].model().icon.is_none());
        info.bytes_total
    };
    let picture = png(150_000);
    let no_picture = picture.replacen("data:image", "data:imago", 1);
    assert_eq!(picture.len(), no_picture.len());
    let (with, without) = (bytes_for(&picture), bytes_for(&no_picture));
    assert!(with < without + 50 * KIB, "{with} instead of {without}");
}
