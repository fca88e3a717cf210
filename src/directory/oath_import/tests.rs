//! Each layout as its vendor or maker documents it, and what is refused.

use super::*;

const HEX: &str = "3132333435363738393031323334353637383930";
const BASE32: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const BYTES: &[u8] = b"12345678901234567890";

fn read(text: &str, defaults: Defaults) -> (TokenFormat, Vec<Row>) {
    let mut file = CsvTokens::read(text.as_bytes(), defaults).expect(text);
    let mut rows = Vec::new();
    while let Some(row) = file.next_row().unwrap() {
        rows.push(row);
    }
    (file.format(), rows)
}

fn only(text: &str) -> (TokenFormat, NewToken) {
    let (format, rows) = read(text, Defaults::default());
    assert_eq!(rows.len(), 1, "{text}");
    let row = rows.into_iter().next().unwrap();
    (format, row.token.expect(text))
}

fn problem(text: &str) -> FileProblem {
    CsvTokens::read(text.as_bytes(), Defaults::default())
        .err()
        .expect(text)
}

fn reasons(text: &str) -> Vec<(u64, String)> {
    read(text, Defaults::default())
        .1
        .into_iter()
        .filter_map(|row| Some((row.line, row.token.err()?)))
        .collect()
}

#[test]
fn entra() {
    let (format, token) = only(&format!(
        "upn,serial number,secret key,time interval,manufacturer,model\r\nHelga@contoso.com,1234567,{},60,Contoso,HardwareKey\r\n",
        BASE32.to_lowercase()
    ));
    assert_eq!(format, TokenFormat::Entra);
    assert_eq!(token.serial.as_str(), "1234567");
    assert_eq!(token.seed.secret.expose(), BYTES);
    assert_eq!(token.seed.encoding, SecretEncoding::Base32);
    assert_eq!(token.parameters.period, 60);
    assert_eq!(token.parameters.digits, 6);
    assert_eq!(token.parameters.algorithm, OathAlgorithm::Sha1);
    assert_eq!(
        (token.manufacturer.as_str(), token.model.as_str()),
        ("Contoso", "HardwareKey")
    );
    assert_eq!(token.owner.as_deref(), Some("Helga@contoso.com"));
    assert!(token.warnings.is_empty());
}

#[test]
fn a_file_for_entra_before_people_are_known_has_no_upn_column() {
    let (format, token) = only(&format!(
        "serial number,secret key,time interval,manufacturer,model\n10001001,{BASE32},30,Token2,c301-i\n"
    ));
    assert_eq!(format, TokenFormat::Columns);
    assert_eq!(token.owner, None);
    assert_eq!(token.seed.secret.expose(), BYTES);
    // Deepnet's spelling.
    let (_, token) = only(&format!(
        "upn,serial number,secret key,timeinterval,manufacturer,model\n,10001001,{BASE32},60,Deepnet,SafeID\n"
    ));
    assert_eq!(token.parameters.period, 60);
    assert_eq!(token.owner, None);
}

#[test]
fn privacyidea() {
    let (format, rows) = read(
        &format!(
            "# a comment\ntoken01, {HEX}, hotp, 6\ntoken02, {HEX}, totp, 6, 30\ntoken03, {HEX}, TOTP, 8, 60\ntoken04, {HEX}\ntoken05, {}, totp, 6, 30\n",
            "ab".repeat(32)
        ),
        Defaults::default(),
    );
    assert_eq!(format, TokenFormat::PrivacyIdea);
    let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6]);
    let tokens: Vec<_> = rows.iter().map(|row| row.token.as_ref()).collect();
    assert!(tokens[0].unwrap_err().contains("HOTP"));
    assert_eq!(tokens[1].unwrap().parameters.digits, 6);
    assert_eq!(tokens[2].unwrap().parameters.digits, 8);
    assert_eq!(tokens[2].unwrap().parameters.period, 60);
    assert!(tokens[3].unwrap_err().contains("HOTP"), "its manual's rule");
    let long = tokens[4].unwrap();
    assert_eq!(long.parameters.algorithm, OathAlgorithm::Sha256);
    assert_eq!(long.warnings, [TokenWarning::HashByLength]);
}

#[test]
fn duo() {
    let (format, token) = only(&format!("10001001,{HEX},60\n"));
    assert_eq!(format, TokenFormat::Duo);
    assert_eq!(token.parameters.period, 60);
    assert_eq!(token.seed.encoding, SecretEncoding::Hex);
    // HOTP has a counter there.
    let reasons = reasons(&format!("10001001,{HEX},0\n"));
    assert!(reasons[0].1.contains("HOTP"), "{reasons:?}");
}

#[test]
fn two_columns() {
    for text in [
        format!("2600124809778,{HEX}\n"),
        format!("2600124809778;{BASE32}"),
        format!("2600124809778\t{HEX}\r\n\r\n"),
        format!("2600124809778 {HEX}\n"),
        "2600124809778,MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=\n".to_owned(),
        format!("\u{feff}2600124809778,{HEX}\n"),
        format!("\"2600124809778\",\"{HEX}\"\n"),
    ] {
        let (format, token) = only(&text);
        assert_eq!(format, TokenFormat::SerialAndSecret, "{text}");
        assert_eq!(token.seed.secret.expose(), BYTES, "{text}");
        assert_eq!(token.parameters, TotpParameters::default());
    }
}

#[test]
fn columns_by_other_names() {
    let (format, token) = only(&format!(
        "Model;Serial No.;Batch;Seed (HEX);OTP length;Time step;Hash function\nc200;260012;7;{HEX};8;60;HmacSHA256\n"
    ));
    assert_eq!(format, TokenFormat::Columns);
    assert_eq!(
        token.parameters,
        TotpParameters {
            algorithm: OathAlgorithm::Sha256,
            digits: 8,
            period: 60
        }
    );
    let text = format!("Serial,Batch,secret_base32\n1,7,{BASE32}\n");
    let file = CsvTokens::read(text.as_bytes(), Defaults::default()).unwrap();
    assert_eq!(file.unused_columns(), ["Batch"]);
    // A column's name is believed: this text is hex, and is not taken as hex.
    let text = "b".repeat(40);
    let (_, token) = only(&format!("serial,seed base32\n1,{text}\n"));
    assert_eq!(token.seed.encoding, SecretEncoding::Base32);
    let (_, token) = only(&format!("serial,seed\n1,{text}\n"));
    assert_eq!(token.seed.encoding, SecretEncoding::Hex);
}

#[test]
fn the_operator_is_stronger_than_the_file_where_a_secret_is_read() {
    let defaults = Defaults {
        encoding: Some(SecretEncoding::Hex),
        ..Defaults::default()
    };
    let text = format!(
        "upn,serial number,secret key,time interval,manufacturer,model\n,1,{HEX},30,Acme,x\n"
    );
    let (_, rows) = read(&text, defaults);
    let token = rows[0].token.as_ref().unwrap();
    assert_eq!(token.seed.secret.expose(), BYTES);
    // Entra's CSV is base32 otherwise, and 0, 1, 8 and 9 are none of it.
    let reasons = reasons(&text);
    assert!(reasons[0].1.contains("--secret-encoding"), "{reasons:?}");
}

#[test]
fn what_the_operator_says_of_all_tokens() {
    let defaults = Defaults {
        period: Some(60),
        digits: Some(8),
        algorithm: Some(OathAlgorithm::Sha512),
        manufacturer: "Feitian".to_owned(),
        model: "c200".to_owned(),
        ..Defaults::default()
    };
    let (_, rows) = read(&format!("1,{HEX}\n2,{HEX},30\n"), defaults);
    let parameters: Vec<_> = rows
        .iter()
        .map(|row| {
            let token = row.token.as_ref().unwrap();
            assert_eq!(token.manufacturer, "Feitian");
            (token.parameters.period, token.parameters.digits)
        })
        .collect();
    assert_eq!(parameters, [(60, 8), (30, 8)], "the row is stronger");
}

#[test]
fn a_bad_row_is_one_problem_with_its_line() {
    let header = "upn,serial number,secret key,time interval,manufacturer,model";
    let good = format!("a@contoso.com,1,{BASE32},30,Acme,x");
    let bad = [
        (
            format!("a@contoso.com,,{BASE32},30,Acme,x"),
            "no serial number",
        ),
        ("a@contoso.com,2,,30,Acme,x".to_owned(), "no secret key"),
        (
            "a@contoso.com,2,geht nicht!,30,Acme,x".to_owned(),
            "not base32",
        ),
        ("a@contoso.com,2,GEZDGNBV,30,Acme,x".to_owned(), "80 bits"),
        (
            format!("a@contoso.com,2,{},30,Acme,x", "A".repeat(208)),
            "128 bytes",
        ),
        (format!("a@contoso.com,2,{BASE32},45,Acme,x"), "30 nor 60"),
        (
            format!("a@contoso.com,2.6E+12,{BASE32},30,Acme,x"),
            "spreadsheet",
        ),
        (
            format!("a@contoso.com,\"2,{BASE32},30,Acme,x"),
            "quotation mark",
        ),
        (
            format!("a@contoso.com,2,{BASE32},30,{},x", "A".repeat(65)),
            "64 characters",
        ),
        (
            format!("a@contoso.com,2,{BASE32},30,Acme,{}", "x".repeat(5000)),
            "4096 bytes",
        ),
    ];
    let mut text = format!("{header}\n{good}\n");
    for (row, _) in &bad {
        text.push_str(row);
        text.push('\n');
    }
    text.push_str(&good);
    let found = reasons(&text);
    assert_eq!(found.len(), bad.len(), "{found:?}");
    for ((line, reason), (number, (row, part))) in found.iter().zip((3_u64..).zip(&bad)) {
        assert_eq!(*line, number);
        assert!(reason.contains(part), "{row}: {reason}");
        assert!(
            !reason.contains(BASE32) && !reason.contains("geht"),
            "{reason}"
        );
    }
    // What is not UTF-8 is one row too.
    let mut bytes = format!("{header}\n").into_bytes();
    bytes.extend_from_slice(b"a@contoso.com,\xff,x\n");
    bytes.extend_from_slice(good.as_bytes());
    let mut file = CsvTokens::read(&bytes[..], Defaults::default()).unwrap();
    assert!(file.next_row().unwrap().unwrap().token.is_err());
    assert!(file.next_row().unwrap().unwrap().token.is_ok());
    assert!(file.next_row().unwrap().is_none());
}

#[test]
fn a_short_secret_is_taken_with_a_warning() {
    let (_, token) = only("1,31323334353637383930\n");
    assert_eq!(token.seed.bits(), 80);
    assert_eq!(token.warnings, [TokenWarning::ShortSecret]);
}

#[test]
fn a_file_that_is_nothing() {
    assert!(matches!(problem(""), FileProblem::Empty));
    assert!(matches!(problem("\n# nothing\n"), FileProblem::Empty));
    assert!(matches!(problem("name,mail\na,b\n"), FileProblem::Unknown));
    assert!(matches!(
        problem("just a sentence.\n"),
        FileProblem::Unknown
    ));
    assert!(matches!(
        problem("serial,secret,seed\n"),
        FileProblem::Twice(Column::Secret)
    ));
    let asked = |format| Defaults {
        format: Some(format),
        ..Defaults::default()
    };
    let text = format!("1,{HEX}\n");
    for format in [TokenFormat::Entra, TokenFormat::Columns] {
        let refused = CsvTokens::read(text.as_bytes(), asked(format)).err();
        assert!(matches!(refused, Some(FileProblem::NoHeader(_))));
    }
}

#[test]
fn the_first_bytes_tell_what_kind_of_file_it_is() {
    assert!(is_pskc(b"\xef\xbb\xbf\n <?xml version='1.0'?>").unwrap());
    assert!(!is_pskc(b"serial,secret\n").unwrap());
    assert!(matches!(is_pskc(b" \n"), Err(FileProblem::Empty)));
    assert!(matches!(
        is_pskc(b"PK\x03\x04xx"),
        Err(FileProblem::Packed(_))
    ));
    assert!(matches!(is_pskc(b"\xff\xfes\0"), Err(FileProblem::Utf16)));
    assert!(matches!(
        is_pskc(b"-----BEGIN PGP MESSAGE-----"),
        Err(FileProblem::Packed(_))
    ));
}

#[test]
fn cells_that_an_export_made_harmless_are_taken_back() {
    let (_, token) = only(&format!(
        "serial,secret,manufacturer,model\n'-1,{BASE32},'=Acme,'t Hooft\n"
    ));
    assert_eq!(token.serial.as_str(), "-1");
    assert_eq!(token.manufacturer, "=Acme");
    assert_eq!(token.model, "'t Hooft");
}
