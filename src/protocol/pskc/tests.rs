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
        let cipher = data_encoding::BASE64.encode(&encrypted(&key, &vec![7; length]));
        let good = time_based(FIGURE_6);
        let weak = with_content(&good, "<MACKey>", "xenc:CipherValue", &cipher);
        assert!(
            matches!(
                problem(&weak, Some(&pre_shared())),
                PskcProblem::Encryption(EncryptionProblem::MacKey)
            ),
            "{length}"
        );
    }
}

/// `text` with this content in the first `tag` that comes after `after`.
fn with_content(text: &str, after: &str, tag: &str, content: &str) -> String {
    let start = text.find(after).unwrap();
    let from = start + text[start..].find(&format!("<{tag}>")).unwrap() + tag.len() + 2;
    let to = from + text[from..].find(&format!("</{tag}>")).unwrap();
    format!("{}{content}{}", &text[..from], &text[to..])
}

/// AES-CBC with a vector of zeros before it, padded as XML Encryption does.
fn encrypted(key: &[u8], plain: &[u8]) -> Vec<u8> {
    use aws_lc_rs::cipher::{
        AES_128, AES_192, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey,
    };
    let algorithm = match key.len() {
        16 => &AES_128,
        24 => &AES_192,
        _ => &AES_256,
    };
    let mut bytes = plain.to_vec();
    let padding = 16 - plain.len() % 16;
    bytes.resize(plain.len() + padding, u8::try_from(padding).unwrap());
    let key = UnboundCipherKey::new(algorithm, key).unwrap();
    let vector = EncryptionContext::Iv128([0; 16].into());
    let key = EncryptingKey::cbc(key).unwrap();
    key.less_safe_encrypt(&mut bytes, vector).unwrap();
    [vec![0; 16], bytes].concat()
}

/// Figure 6 under another key and another key of its MACs, with this ciphertext in it.
fn figure_6_under(cipher: &str, key: &[u8], mac_key: &[u8], secret: &[u8]) -> String {
    use aws_lc_rs::hmac;
    let encode = |bytes: &[u8]| data_encoding::BASE64.encode(bytes);
    let mac = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, mac_key);
    let mac = encode(hmac::sign(&mac, secret).as_ref());
    let value = "xenc:CipherValue";
    let text = time_based(FIGURE_6).replace("aes128-cbc", cipher);
    let text = with_content(&text, "<MACKey>", value, &encode(&encrypted(key, mac_key)));
    let text = with_content(&text, "<EncryptedValue>", value, &encode(secret));
    with_content(&text, "<EncryptedValue>", "ValueMAC", &mac)
}

#[test]
fn each_length_of_aes_key_opens_what_was_encrypted_with_it() {
    let lengths = [("aes128-cbc", 16), ("aes192-cbc", 24), ("aes256-cbc", 32)];
    for (cipher, length) in lengths {
        let key = vec![9; length];
        // The MACs' key is as short as one may be.
        let text = figure_6_under(cipher, &key, &[5; 16], &encrypted(&key, SECRET));
        let token = rows(&text, Some(&PskcKey::PreShared(Secret::new(key))));
        let token = token[0].token.as_ref().unwrap();
        assert_eq!(token.seed.secret.expose(), SECRET, "{cipher}");
        for (_, other) in lengths.iter().filter(|(_, other)| *other != length) {
            let other = PskcKey::PreShared(Secret::new(vec![9; *other]));
            assert!(matches!(
                problem(&text, Some(&other)),
                PskcProblem::Encryption(EncryptionProblem::KeyLength)
            ));
        }
    }
}

#[test]
fn a_ciphertext_is_a_vector_and_whole_blocks_however_right_its_mac() {
    let key = [9; 16];
    for length in [0, 1, 15, 16, 17, 31, 33, 47] {
        let text = figure_6_under("aes128-cbc", &key, &[5; 20], &vec![3; length]);
        let why = reason(&text, Some(&PskcKey::PreShared(Secret::new(key.to_vec()))));
        assert!(why.contains("damaged"), "{length}: {why}");
    }
}

#[test]
fn an_algorithm_that_is_not_offered_is_named_by_its_end() {
    let good = time_based(FIGURE_6);
    let aes = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";
    let long = format!("urn:x:{}", "y".repeat(41));
    for (name, said) in [
        (
            "http://www.w3.org/2001/04/xmlenc#tripledes-cbc",
            "tripledes-cbc",
        ),
        ("http://example.com/rot&#10;13", "rot13"),
        (long.as_str(), &long[6..46]),
        ("", ""),
    ] {
        match problem(&good.replace(aes, name), Some(&pre_shared())) {
            PskcProblem::Encryption(EncryptionProblem::Algorithm(end)) => assert_eq!(end, said),
            other => panic!("{other}"),
        }
    }
}

#[test]
fn an_owner_is_a_user_principal_name_and_no_distinguished_name() {
    let given = |user: &str| format!("<UserId>{user}</UserId>");
    let of_device = |user| TOTP.replace("</SerialNo>", &format!("</SerialNo>{}", given(user)));
    let of_key = |text: &str, user| text.replace("</Data>", &format!("</Data>{}", given(user)));
    let owner = |text: &str| rows(text, None).remove(0).token.unwrap().owner;
    assert_eq!(owner(TOTP), None);
    for (user, known) in [
        ("agent1@contoso.com", Some("agent1@contoso.com")),
        ("agent1", None),
        ("UID=agent1,DC=contoso,DC=com", None),
        ("CN=agent1@contoso.com", None),
    ] {
        assert_eq!(owner(&of_device(user)).as_deref(), known, "{user}");
        assert_eq!(owner(&of_key(TOTP, user)).as_deref(), known, "{user}");
    }
    let both = of_key(&of_device("agent1@contoso.com"), "agent2@contoso.com");
    assert_eq!(owner(&both).as_deref(), Some("agent1@contoso.com"));
    let empty = of_key(&of_device(""), "agent2@contoso.com");
    assert_eq!(owner(&empty).as_deref(), Some("agent2@contoso.com"));
}

#[test]
fn a_secret_of_fewer_than_128_bits_is_taken_and_told() {
    let told = |secret: &[u8]| {
        let text = data_encoding::BASE64.encode(secret);
        let text = TOTP.replace("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=", &text);
        rows(&text, None).remove(0).token.unwrap().warnings
    };
    for length in [10, 15] {
        assert_eq!(told(&SECRET[..length]), [TokenWarning::ShortSecret]);
    }
    for length in [16, 17, 20] {
        assert_eq!(told(&SECRET[..length]), []);
    }
}

#[test]
fn a_drift_of_a_day_is_taken_and_no_longer_one() {
    let with = |drift: &str| {
        let drift = format!("<PlainValue>{drift}<");
        rows(&TOTP.replace("<PlainValue>4<", &drift), None)
            .remove(0)
            .token
    };
    for drift in [0, 2_880, -2_880] {
        assert_eq!(with(&drift.to_string()).unwrap().drift_steps, drift);
    }
    for drift in [
        "2881",
        "-2881",
        "9223372036854775807",
        "-9223372036854775808",
    ] {
        assert!(with(drift).unwrap_err().contains("a day"), "{drift}");
    }
}

#[test]
fn attack_17_a_file_has_twelve_mebibytes_and_no_more() {
    let long = |bytes: usize| format!("{TOTP}{}", " ".repeat(bytes - TOTP.len()));
    let most = 12 * 1024 * 1024;
    assert!(rows(&long(most), None)[0].token.is_ok());
    assert!(matches!(
        parse(&long(most + 1), None).err().unwrap(),
        PskcProblem::Xml(_)
    ));
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
