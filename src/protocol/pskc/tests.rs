//! The samples of RFC 6030, as it prints them. They are event-based: each is read twice,
//! once as it is (and refused for that), once called time-based. The MACs do not cover
//! the algorithm's name.

use super::*;

const FIGURE_2: &str = include_str!("../../../tests/fixtures/pskc/rfc6030-figure-2.xml");
const FIGURE_5: &str = include_str!("../../../tests/fixtures/pskc/rfc6030-figure-5.xml");
const FIGURE_6: &str = include_str!("../../../tests/fixtures/pskc/rfc6030-figure-6.xml");
const FIGURE_7: &str = include_str!("../../../tests/fixtures/pskc/rfc6030-figure-7.xml");
const FIGURE_8: &str = include_str!("../../../tests/fixtures/pskc/rfc6030-figure-8.xml");
const FIGURE_10: &str = include_str!("../../../tests/fixtures/pskc/rfc6030-figure-10.xml");
const TOTP: &str = include_str!("../../../tests/fixtures/pskc/totp-profile.xml");

const SECRET: &[u8] = b"12345678901234567890";

/// RFC 6030 §6.1: "the pre-shared key is 0x12345678901234567890123456789012".
fn pre_shared() -> PskcKey {
    let key = data_encoding::HEXLOWER
        .decode(b"12345678901234567890123456789012")
        .unwrap();
    PskcKey::PreShared(Secret::new(key))
}

/// §6.2: "the derived key is protected with the password 'qwerty'".
fn passphrase() -> PskcKey {
    PskcKey::Passphrase(Secret::new("qwerty".to_owned()))
}

/// In May 2006, when the samples' keys could be used.
fn now() -> Timestamp {
    Timestamp::parse_rfc3339("2006-05-10T00:00:00Z").unwrap()
}

fn parse(text: &str, key: Option<&PskcKey>) -> Result<Vec<Row>, PskcProblem> {
    parse_pskc(text.as_bytes(), key, &Defaults::default(), now())
}

fn rows(text: &str, key: Option<&PskcKey>) -> Vec<Row> {
    parse(text, key).unwrap_or_else(|error| {
        panic!("{error}: {:?}", std::error::Error::source(&error));
    })
}

fn time_based(text: &str) -> String {
    let called = text.replace("keyprov:pskc:hotp", "keyprov:pskc:totp");
    assert_ne!(called, text);
    called
}

fn problem(text: &str, key: Option<&PskcKey>) -> PskcProblem {
    parse(text, key).expect_err(text)
}

fn reason(text: &str, key: Option<&PskcKey>) -> String {
    let mut rows = rows(text, key);
    assert_eq!(rows.len(), 1);
    rows.remove(0).token.expect_err(text)
}

#[test]
fn figure_2_is_hotp_and_its_secret_has_32_bits() {
    let rows = rows(FIGURE_2, None);
    assert_eq!(rows[0].line, 6);
    assert!(rows[0].token.as_ref().unwrap_err().contains("HOTP"));
    assert!(reason(&time_based(FIGURE_2), None).contains("80 bits"));
}

#[test]
fn figure_5_has_a_pin_of_its_own_and_is_read() {
    let rows = rows(&time_based(FIGURE_5), None);
    let token = rows[0].token.as_ref().unwrap();
    assert_eq!(token.serial.as_str(), "987654321");
    assert_eq!(token.manufacturer, "Manufacturer");
    assert_eq!(token.seed.secret.expose(), SECRET);
    let pin_in_code = time_based(FIGURE_5).replace("\"Local\"", "\"Append\"");
    assert!(reason_of_first(&pin_in_code).contains("PIN"));
}

fn reason_of_first(text: &str) -> String {
    rows(text, None).remove(0).token.expect_err(text)
}

#[test]
fn figure_6_opens_with_the_pre_shared_key() {
    assert!(reason(FIGURE_6, Some(&pre_shared())).contains("HOTP"));
    let text = time_based(FIGURE_6);
    let token = rows(&text, Some(&pre_shared())).remove(0).token.unwrap();
    assert_eq!(token.seed.secret.expose(), SECRET);
    assert_eq!(token.parameters.digits, 8);
    assert_eq!(token.serial.as_str(), "987654321");
    assert!(matches!(
        problem(&text, None),
        PskcProblem::Encryption(EncryptionProblem::KeyNeeded("--key-file"))
    ));
    assert!(matches!(
        problem(&text, Some(&passphrase())),
        PskcProblem::Encryption(EncryptionProblem::KeyNeeded("--key-file"))
    ));
}

#[test]
fn figure_7_opens_with_the_passphrase() {
    let text = time_based(FIGURE_7);
    let token = rows(&text, Some(&passphrase())).remove(0).token.unwrap();
    assert_eq!(token.seed.secret.expose(), SECRET);
    assert_eq!(token.manufacturer, "TokenVendorAcme");
    assert!(matches!(
        problem(&text, Some(&pre_shared())),
        PskcProblem::Encryption(EncryptionProblem::KeyNeeded("--passphrase-file"))
    ));
    let dear = text.replace(">1000<", ">10000001<");
    assert_ne!(dear, text);
    assert!(matches!(
        problem(&dear, Some(&passphrase())),
        PskcProblem::Encryption(EncryptionProblem::Derivation)
    ));
}

#[test]
fn figure_8_is_for_a_certificate() {
    assert!(matches!(
        problem(FIGURE_8, Some(&pre_shared())),
        PskcProblem::Encryption(EncryptionProblem::NotOffered(_))
    ));
}

#[test]
fn figure_10_has_four_keys_and_lines() {
    // Two of them may be used in May, one in March, one in April.
    let rows = rows(&time_based(FIGURE_10), None);
    let serials: Vec<&str> = rows
        .iter()
        .filter_map(|row| row.token.as_ref().ok())
        .map(|token| token.serial.as_str())
        .collect();
    assert_eq!(serials, ["654321", "123456"]);
    for row in &rows[2..] {
        assert!(row.token.as_ref().unwrap_err().contains("any more"));
    }
    assert_eq!(
        rows[0].token.as_ref().unwrap().warnings,
        [TokenWarning::Expires]
    );
    let text = time_based(FIGURE_10);
    for row in &rows {
        let line = text.lines().nth(usize::try_from(row.line).unwrap() - 1);
        assert!(line.unwrap().contains("<Key Id="), "{}", row.line);
    }
}

#[test]
fn a_policy_that_is_not_understood_forbids_the_key() {
    let policy = |children: &str| TOTP.replace("<KeyUsage>OTP</KeyUsage>", children);
    assert_ne!(policy(""), TOTP);
    for children in [
        "",
        "<KeyUsage>OTP</KeyUsage><KeyUsage>CR</KeyUsage>",
        "<StartDate>2006-05-10T00:00:00Z</StartDate>",
        "<ExpiryDate>2006-05-10T00:00:00.001Z</ExpiryDate>",
        "<PINPolicy PINUsageMode=\"Local\"/>",
    ] {
        let row = rows(&policy(children), None).remove(0);
        assert!(row.token.is_ok(), "{children}");
    }
    for (children, part) in [
        ("<StartDate>2006-05-10T00:00:00.001Z</StartDate>", "yet"),
        ("<ExpiryDate>2006-05-10T00:00:00Z</ExpiryDate>", "any more"),
        ("<ExpiryDate>May 2026</ExpiryDate>", "no instant"),
        (
            "<NumberOfTransactions>5</NumberOfTransactions>",
            "not offered",
        ),
        ("<KeyUsage>OTP</KeyUsage><Other/>", "not offered"),
        (
            "<a:KeyUsage xmlns:a=\"urn:a\">OTP</a:KeyUsage>",
            "not offered",
        ),
        ("<KeyUsage>CR</KeyUsage>", "one-time"),
    ] {
        let reason = reason(&policy(children), None);
        assert!(reason.contains(part), "{children}: {reason}");
    }
}

/// Whoever alters a file on its way must not be able to leave its protection out.
#[test]
fn attack_13_encryption_and_macs_cannot_be_stripped() {
    let good = time_based(FIGURE_6);
    let cut = |text: &str, from: &str, to: &str| {
        let start = text.find(from).unwrap();
        let end = text.find(to).unwrap() + to.len();
        text.replace(&text[start..end], "")
    };
    // A plain secret where the container has a key.
    let own = "<PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue>";
    let bare = cut(&good, "<ValueMAC>", "</ValueMAC>");
    let start = bare.find("<EncryptedValue").unwrap();
    let end = bare.find("</EncryptedValue>").unwrap() + "</EncryptedValue>".len();
    let plain = bare.replace(&bare[start..end], own);
    let why = reason(&plain, Some(&pre_shared()));
    assert!(why.contains("not encrypted"), "{why}");
    // No word of encryption in the container although the operator has the key.
    let stripped = cut(&plain, "<MACMethod", "</MACMethod>");
    let stripped = cut(&stripped, "<EncryptionKey>", "</EncryptionKey>");
    assert!(rows(&stripped, None)[0].token.is_ok());
    for key in [pre_shared(), passphrase()] {
        assert!(matches!(
            problem(&stripped, Some(&key)),
            PskcProblem::Encryption(EncryptionProblem::NotEncrypted)
        ));
    }
    // MACs without a key.
    let without_key = cut(&good, "<EncryptionKey>", "</EncryptionKey>");
    assert!(matches!(
        problem(&without_key, None),
        PskcProblem::Encryption(EncryptionProblem::NotOffered(_))
    ));
}

#[test]
fn attack_13_a_mac_key_that_anybody_could_guess_is_refused() {
    // One block of padding: a key of no bytes, under the right container key.
    let key = data_encoding::HEXLOWER
        .decode(b"12345678901234567890123456789012")
        .unwrap();
    for length in [0, 1, 15] {
        let cipher = encrypted(&key, &vec![7; length]);
        let good = time_based(FIGURE_6);
        let start = good.find("<MACKey>").unwrap();
        let text = &good[start..];
        let from = start + text.find("<xenc:CipherValue>").unwrap() + "<xenc:CipherValue>".len();
        let to = start + text.find("</xenc:CipherValue>").unwrap();
        let weak = format!("{}{cipher}{}", &good[..from], &good[to..]);
        assert!(
            matches!(
                problem(&weak, Some(&pre_shared())),
                PskcProblem::Encryption(EncryptionProblem::MacKey)
            ),
            "{length}"
        );
    }
}

/// AES-128-CBC with a vector of zeros before it, padded as XML Encryption does, base64.
fn encrypted(key: &[u8], plain: &[u8]) -> String {
    use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
    let mut bytes = plain.to_vec();
    let padding = 16 - plain.len() % 16;
    bytes.resize(plain.len() + padding, u8::try_from(padding).unwrap());
    let key = UnboundCipherKey::new(&AES_128, key).unwrap();
    let vector = EncryptionContext::Iv128([0; 16].into());
    let key = EncryptingKey::cbc(key).unwrap();
    key.less_safe_encrypt(&mut bytes, vector).unwrap();
    let whole = [vec![0; 16], bytes].concat();
    data_encoding::BASE64.encode(&whole)
}

#[test]
fn the_profile_for_time_based_tokens() {
    for (old, new) in [("#totp", "#totp"), ("#totp", ":totp")] {
        let text = TOTP.replace(old, new);
        let token = rows(&text, None).remove(0).token.unwrap();
        assert_eq!(token.seed.secret.expose(), SECRET);
        assert_eq!(token.parameters, TotpParameters::default());
        assert_eq!(token.drift_steps, 4);
    }
    let long = TOTP.replace("<PlainValue>30<", "<PlainValue>60<");
    let token = rows(&long, None).remove(0).token.unwrap();
    assert_eq!(token.parameters.period, 60);
    for (old, new, part) in [
        ("<PlainValue>30<", "<PlainValue>31<", "30 nor 60"),
        ("<PlainValue>0<", "<PlainValue>7<", "1970"),
        ("<PlainValue>4<", "<PlainValue>2881<", "a day"),
        ("<PlainValue>4<", "<PlainValue>x<", "TimeDrift"),
        ("Length=\"6\"", "Length=\"7\"", "6 or 8"),
        ("DECIMAL", "HEXADECIMAL", "decimal"),
        ("#totp", "#ocra", "not TOTP"),
        ("<KeyUsage>OTP<", "<KeyUsage>CR<", "policy"),
        ("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", "MTIz*", "not base64"),
        (">987654323</S", "></S", "serial"),
    ] {
        let mut text = TOTP.replace(old, new);
        assert_ne!(text, TOTP, "{old}");
        if part == "serial" {
            text = text.replace("Id=\"987654323\"", "");
        }
        assert!(reason(&text, None).contains(part), "{new}");
    }
    let sha256 = TOTP.replace(
        "<ResponseFormat",
        "<Suite>HMAC-SHA256</Suite><ResponseFormat",
    );
    let token = rows(&sha256, None).remove(0).token.unwrap();
    assert_eq!(token.parameters.algorithm, OathAlgorithm::Sha256);
}

#[test]
fn nothing_is_decrypted_whose_mac_is_not_right() {
    let good = time_based(FIGURE_6);
    let altered = [
        // One letter of the ciphertext, of its vector, of the MAC.
        good.replace("AAECAwQFBgcICQoLDA0OD+cI", "AAECAwQFBgcICQoLDA0OD+cJ"),
        good.replace("AAECAwQF", "AAECAwQG"),
        good.replace("Su+NvtQ", "Su+NvtR"),
    ];
    for text in altered {
        assert_ne!(text, good);
        assert!(reason(&text, Some(&pre_shared())).contains("MAC is wrong"));
    }
    let start = good.find("<ValueMAC>").unwrap();
    let end = good.find("</ValueMAC>").unwrap() + "</ValueMAC>".len();
    let without = good.replace(&good[start..end], "");
    assert!(reason(&without, Some(&pre_shared())).contains("without a MAC"));
    let start = good.find("<MACMethod").unwrap();
    let end = good.find("</MACMethod>").unwrap() + "</MACMethod>".len();
    let without = good.replace(&good[start..end], "");
    assert!(reason(&without, Some(&pre_shared())).contains("without a MAC"));
    let other = PskcKey::PreShared(Secret::new(vec![7; 16]));
    match parse(&good, Some(&other)) {
        Err(PskcProblem::Encryption(problem)) => assert_eq!(problem, EncryptionProblem::WrongMac),
        Err(other) => panic!("{other}"),
        Ok(mut rows) => {
            let reason = rows.remove(0).token.unwrap_err();
            assert!(reason.contains("MAC is wrong"), "{reason}");
        }
    }
    let short = PskcKey::PreShared(Secret::new(vec![7; 15]));
    assert!(matches!(
        problem(&good, Some(&short)),
        PskcProblem::Encryption(EncryptionProblem::KeyLength)
    ));
}

#[test]
fn what_is_no_container() {
    for text in [
        "<a/>",
        "<KeyContainer xmlns='urn:ietf:params:xml:ns:keyprov:pskc:1.0'/>",
    ] {
        assert!(
            matches!(problem(text, None), PskcProblem::NotPskc),
            "{text}"
        );
    }
    assert!(matches!(
        problem("<!DOCTYPE a><a/>", None),
        PskcProblem::Xml(_)
    ));
}
