//! Every page in every state, rendered, judged, and written to `target/pages/`.

use std::{collections::BTreeSet, path::Path, time::Duration};

use super::{
    CsrfToken, Frame, Moment,
    account::{
        AccountPage, AppPasswordLine, AppPasswordPage, AppPasswords, ChangePasswordPage, Making,
        Method, PasswordChangedPage, RecoveryCodesPage, Removable, SessionLine, SignInLine,
    },
    enrol::{
        ChooseMethodPage, ChoosePasswordPage, ConfirmState, EnrolDonePage, TotpEnrolPage, in_fours,
    },
    external_mfa::{NoAnswerPage, Waiting},
    inspect::{Given, InspectPage, Judged, TestSignIn},
    keys::{KeyAddedPage, KeyEnrolPage, KeyPage, KeyState},
    outcome::{
        AutoSubmitPage, ErrorKind, ErrorPage, HomePage, OtherBrowserPage, SignedInHere, StartAgain,
        StartAgainPage, StoppedPage,
    },
    qr::Qr,
    sign_in::{
        Happened, NoticeItem, NoticePage, PassPage, PassState, PasswordPage, PasswordState,
        TotpPage, TotpState, Username,
    },
    sign_out::{NotEndedPage, SignOutAskPage, SignOutPage, SignedOutPage, Turn, WayOut, in_words},
    token::{TokenPage, TokenPurpose, TokenState},
};
use crate::{
    app::{
        enrol::MethodKind,
        round_trips::{LastAnswer, Stopped},
        security_keys::KeyProblem,
        sign_in::{NoAnswer, Proved, RecoveryCodes},
        sign_out::{Known, Scope},
        test_sign_in::Substitution,
    },
    base::clock::Timestamp,
    inspect::{Context, inspect},
    session::Desk,
};

const ACTION: &str = "/sign-in/att_aaaaaaaaaaaaaaaaaaaaaaaaaa";

/// The words that a sample is filled with: plain ones, or an attacker's.
struct Words {
    name: &'static str,
    upn: &'static str,
}

const PLAIN: Words = Words {
    name: "KeePassXC at the desk",
    upn: "agent1@contoso.com",
};

const HOSTILE: Words = Words {
    name: "\"'><script src=//evil.example></script>&amp;<!--",
    upn: "\"onfocus=alert(1) x='</title><style>*{}</style>@contoso.com",
};

fn csrf() -> CsrfToken {
    CsrfToken("c3JmLXRva2VuLWZvci1zYW1wbGVz".to_owned())
}

fn moment() -> Moment {
    Moment(Timestamp::parse_rfc3339("2026-11-20T10:00:00Z").unwrap())
}

fn key_states(words: &Words) -> Vec<(&'static str, KeyState)> {
    let refused = KeyState::Refused;
    vec![
        ("fresh", KeyState::Fresh),
        ("over", refused(KeyProblem::Over)),
        ("not-yours", refused(KeyProblem::NotYours)),
        ("copied", refused(KeyProblem::Copied)),
        ("known", refused(KeyProblem::AlreadyKnown)),
        (
            "policy",
            refused(KeyProblem::NotAllowed(words.name.to_owned())),
        ),
        ("wrong", refused(KeyProblem::Wrong)),
        ("wait", KeyState::Wait(Duration::from_mins(1))),
    ]
}

fn samples(frame: &Frame, words: &Words, desk: Desk) -> Vec<(String, String)> {
    let mut pages: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, page: &dyn askama::DynTemplate| {
        pages.push((name.to_owned(), page.dyn_render().unwrap()));
    };
    let secs = Duration::from_secs;

    let password = |username, going_to, state| PasswordPage {
        frame,
        action: ACTION.to_owned(),
        csrf: csrf(),
        going_to,
        username,
        passkey: Some(format!("{ACTION}/passkey")),
        passkey_state: KeyState::Fresh,
        proved: Proved::Nothing,
        pass_instead: format!("{ACTION}/pass"),
        not_me: None,
        state,
    };
    let upn = words.upn.to_owned();
    let entra = Some("Microsoft Entra ID".to_owned());
    for (name, username, state) in [
        (
            "fresh",
            Username::Asked(String::new()),
            PasswordState::Fresh,
        ),
        ("hint", Username::Asked(upn.clone()), PasswordState::Fresh),
        ("known", Username::Known(upn.clone()), PasswordState::Fresh),
        ("wrong", Username::Asked(upn.clone()), PasswordState::Wrong),
        ("dead", Username::Asked(upn.clone()), PasswordState::Dead),
        (
            "wait-seconds",
            Username::Asked(upn.clone()),
            PasswordState::Wait(secs(30)),
        ),
        (
            "wait-minutes",
            Username::Asked(upn.clone()),
            PasswordState::Wait(secs(600)),
        ),
    ] {
        let page = PasswordPage {
            not_me: (name == "known").then(|| format!("{ACTION}/not-me")),
            ..password(username, entra.clone(), state)
        };
        add(&format!("sign_in-password-{name}"), &page);
    }

    for (name, state) in [
        ("fresh", TotpState::Fresh),
        ("wrong", TotpState::Wrong),
        ("used", TotpState::Used),
        ("wait", TotpState::Wait(secs(60))),
    ] {
        let page = TotpPage {
            frame,
            action: format!("{ACTION}/code"),
            csrf: csrf(),
            upn: upn.clone(),
            resync: (name == "wrong").then(|| format!("{ACTION}/resync")),
            key_instead: Some(format!("{ACTION}/key")),
            pass_instead: Some(format!("{ACTION}/pass")),
            not_me: format!("{ACTION}/not-me"),
            state,
        };
        add(&format!("sign_in-totp-{name}"), &page);
    }
    for (name, purpose, state) in [
        ("fresh", TokenPurpose::Activate, TokenState::Fresh),
        ("wrong", TokenPurpose::Activate, TokenState::Wrong),
        ("wait", TokenPurpose::Activate, TokenState::Wait(secs(60))),
        ("resync", TokenPurpose::Resync, TokenState::Fresh),
        ("resync-wrong", TokenPurpose::Resync, TokenState::Wrong),
    ] {
        let page = TokenPage {
            frame,
            action: format!("{ACTION}/token"),
            csrf: csrf(),
            upn: upn.clone(),
            purpose,
            instead: Some(format!("{ACTION}/pass")),
            state,
        };
        add(&format!("sign_in-token-{name}"), &page);
    }
    let touched = PasswordPage {
        passkey: None,
        proved: Proved::Touch,
        ..password(Username::Asked(String::new()), None, PasswordState::Fresh)
    };
    add("sign_in-password-touched", &touched);
    for (name, state) in key_states(words) {
        let page = PasswordPage {
            passkey_state: state.clone(),
            ..password(Username::Asked(String::new()), None, PasswordState::Fresh)
        };
        add(&format!("sign_in-password-passkey-{name}"), &page);
        for (other, code_instead) in [("", None), ("-or-code", Some(format!("{ACTION}/code")))] {
            let page = KeyPage {
                frame,
                action: format!("{ACTION}/key"),
                csrf: csrf(),
                upn: upn.clone(),
                code_instead,
                pass_instead: Some(format!("{ACTION}/pass")),
                not_me: format!("{ACTION}/not-me"),
                state: state.clone(),
            };
            add(&format!("sign_in-key-{name}{other}"), &page);
        }
        let page = KeyEnrolPage {
            frame,
            action: format!("{ACTION}/new-key"),
            choose: format!("{ACTION}/choose"),
            csrf: csrf(),
            name: words.name.to_owned(),
            others: vec![MethodKind::Totp, MethodKind::OathToken],
            until: moment(),
            state,
        };
        add(&format!("enrol-key-{name}"), &page);
    }

    let known = Username::Known(upn.clone());
    let (taken, later) = (RecoveryCodes::Taken, RecoveryCodes::AfterPassword);
    let (asked, typed) = (Username::Asked(String::new()), Username::Asked(upn.clone()));
    for (name, username, codes, state) in [
        ("fresh", known.clone(), taken, PassState::Fresh),
        ("wrong", known.clone(), taken, PassState::Wrong),
        ("wait", known.clone(), taken, PassState::Wait(secs(120))),
        ("stepped-up", known.clone(), later, PassState::Fresh),
        ("too-early", known.clone(), later, PassState::PasswordFirst),
        ("external", known, RecoveryCodes::Never, PassState::Fresh),
        ("unknown", asked, later, PassState::Fresh),
        ("unknown-wrong", typed, later, PassState::Wrong),
    ] {
        let page = PassPage {
            frame,
            action: format!("{ACTION}/pass"),
            csrf: csrf(),
            username,
            codes,
            begin_anew: format!("{ACTION}/not-me"),
            state,
        };
        add(&format!("sign_in-enrol-{name}"), &page);
    }

    let otpauth = "otpauth://totp/Contoso%20sign-in:agent1%40contoso.com?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Contoso%20sign-in&algorithm=SHA1&digits=6&period=30";
    let picture = || match desk {
        Desk::Ordinary => Some(Qr::draw(otpauth).unwrap()),
        Desk::Clean => None,
    };
    for (name, state, qr) in [
        ("fresh", ConfirmState::Fresh, picture()),
        ("wrong", ConfirmState::Wrong, picture()),
        ("wait", ConfirmState::Wait(secs(45)), picture()),
        ("clean-desk", ConfirmState::Fresh, None),
    ] {
        let page = TotpEnrolPage {
            frame,
            action: format!("{ACTION}/enrol"),
            csrf: csrf(),
            secret_in_fours: in_fours("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
            otpauth: otpauth.to_owned(),
            qr,
            parameters: "SHA-1, 6 digits, a new code every 30 seconds".to_owned(),
            name: words.name.to_owned(),
            until: moment(),
            state,
        };
        add(&format!("enrol-totp-{name}"), &page);
    }
    for (name, problem) in [
        ("fresh", None),
        (
            "short",
            Some(
                "Choose another one: the password has fewer than 12 characters; add another word or two."
                    .to_owned(),
            ),
        ),
    ] {
        let page = ChoosePasswordPage {
            frame,
            action: format!("{ACTION}/password"),
            csrf: csrf(),
            upn: upn.clone(),
            min_length: 12,
            problem,
        };
        add(&format!("enrol-password-{name}"), &page);
    }
    let next = ACTION.to_owned();
    for (name, offered) in [("", MethodKind::ALL.to_vec()), ("-nothing", Vec::new())] {
        let page = ChooseMethodPage {
            frame,
            action: format!("{ACTION}/choose"),
            csrf: csrf(),
            offered,
            allowed: MethodKind::ALL.to_vec(),
            until: moment(),
        };
        add(&format!("enrol-choose{name}"), &page);
    }
    add(
        "enrol-key-done",
        &KeyAddedPage {
            frame,
            next: next.clone(),
        },
    );
    add("enrol-done", &EnrolDonePage { frame, next });

    let happened = [
        Happened::PassIssued,
        Happened::PasswordSet,
        Happened::PasswordDied,
        Happened::MethodsReset,
        Happened::MethodAdded,
        Happened::ImmutableIdSet,
        Happened::Other(words.name.to_owned()),
        Happened::PassUsed,
        Happened::TokenAssigned,
        Happened::TokenTaken,
        Happened::TokenResynced,
        Happened::KeyCounter,
    ];
    add(
        "sign_in-notice",
        &NoticePage {
            frame,
            action: format!("{ACTION}/notice"),
            csrf: csrf(),
            upn: upn.clone(),
            up_to: 1_800_000_000_000,
            items: happened
                .into_iter()
                .map(|what| NoticeItem {
                    by: matches!(what, Happened::PasswordSet).then(|| words.name.to_owned()),
                    what,
                    at: moment(),
                })
                .collect(),
        },
    );

    add(
        "auto_submit",
        &AutoSubmitPage {
            frame,
            heading: "You are signed in",
            going_to: words.name.to_owned(),
            target: "https://login.microsoftonline.com/login.srf".to_owned(),
            fields: vec![
                ("SAMLResponse", "PHNhbWxwOlJlc3BvbnNlPg==".to_owned()),
                ("RelayState", words.upn.to_owned()),
            ],
        },
    );
    add(
        "auto_submit_wsfed",
        &AutoSubmitPage {
            frame,
            heading: "You are signed in",
            going_to: words.name.to_owned(),
            target: "https://login.microsoftonline.com/login.srf".to_owned(),
            fields: vec![
                ("wa", "wsignin1.0".to_owned()),
                ("wresult", format!("<t:x a=\"b\">{}</t:x>", words.name)),
                ("wctx", words.upn.to_owned()),
            ],
        },
    );

    for kind in [
        ErrorKind::BadRequest,
        ErrorKind::Refused,
        ErrorKind::NotFound,
        ErrorKind::Method,
        ErrorKind::Conflict,
        ErrorKind::TooLarge,
        ErrorKind::WrongHost,
        ErrorKind::TooMany,
        ErrorKind::Internal,
        ErrorKind::Unavailable,
    ] {
        let page = ErrorPage {
            frame,
            kind,
            words: "The sign-in request came from an application that is not registered here. Go back to where you came from and try again."
                .to_owned(),
            support_code: "CB-SIGNIN-003".to_owned(),
            reference: (kind != ErrorKind::NotFound)
                .then(|| "att_aaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned()),
            at: moment(),
        };
        add(&format!("error-{}", kind.status().as_u16()), &page);
    }

    for (name, why) in [("over", StartAgain::Over), ("stale", StartAgain::StaleForm)] {
        let support_code = "CB-SIGNIN-004".to_owned();
        let page = StartAgainPage {
            frame,
            why,
            support_code,
        };
        add(&format!("start_again-{name}"), &page);
    }
    let finding = |rule, title, fix: &str| crate::inspect::Finding {
        rule,
        severity: crate::inspect::Severity::Error,
        title,
        evidence: String::new(),
        fix: fix.to_owned(),
        aadsts: Vec::new(),
        reference: "",
        decide_with: Vec::new(),
    };
    let found = vec![finding(
        "CB-SAML-004",
        "The audience is the cloud's entity id.",
        "Set [entra] cloud to the tenant's cloud.",
    )];
    let answers = [
        ("gone", None),
        ("accepted", Some((true, Vec::new()))),
        ("findings", Some((false, found))),
    ];
    for (name, last) in answers {
        let page = StoppedPage {
            frame,
            action: ACTION.to_owned(),
            going_to: words.name.to_owned(),
            again_in: "95 seconds".to_owned(),
            now: moment(),
            stopped: Stopped {
                answers: 3,
                again_at: moment().0,
                now: moment().0,
                domain: "contoso.com".to_owned(),
                class_ref: "http://schemas.microsoft.com/claims/multipleauthn",
                last: last.map(|(is_accepted, findings)| LastAnswer {
                    is_accepted,
                    findings,
                }),
            },
            support_code: "CB-SIGNIN-015".to_owned(),
        };
        add(&format!("stopped-{name}"), &page);
    }
    add(
        "other_browser",
        &OtherBrowserPage {
            frame,
            support_code: "CB-SIGNIN-007".to_owned(),
        },
    );

    for (name, problem) in [
        ("fresh", None),
        (
            "weak",
            Some(
                "Choose another one: it is too easy to guess; add another word or two.".to_owned(),
            ),
        ),
    ] {
        let page = ChangePasswordPage {
            frame,
            csrf: csrf(),
            upn: upn.clone(),
            min_length: 12,
            problem,
        };
        add(&format!("account-password-{name}"), &page);
    }
    let page = RecoveryCodesPage {
        frame,
        upn: upn.clone(),
        codes: vec!["7h2k-9qwe-x0vz".to_owned(); 10],
    };
    add("account-recovery_codes", &page);
    let page = AppPasswordPage {
        frame,
        upn: upn.clone(),
        label: words.name.to_owned(),
        value: "7h2k-9qwe-x0vz-7h2k-9qwe-x0vz-7h2k".to_owned(),
    };
    add("account-app_password", &page);
    add("account-password-changed", &PasswordChangedPage { frame });
    let account = |sign_ins, methods: Vec<Method>, sessions| AccountPage {
        frame,
        csrf: csrf(),
        display_name: words.name.to_owned(),
        upn: upn.clone(),
        recovery_codes: i64::try_from(methods.len()).unwrap(),
        app_passwords: (!methods.is_empty()).then(|| AppPasswords {
            making: if methods.len() > 1 {
                Making::Offered
            } else {
                Making::Closed
            },
            list: [None, Some(moment())]
                .map(|last_used| AppPasswordLine {
                    id: "crd_cccccccccccccccccccccccccc".to_owned(),
                    label: words.name.to_owned(),
                    since: moment(),
                    last_used,
                })
                .to_vec(),
        }),
        wanted: (methods.len() == 1).then_some(2),
        password: Some(moment()),
        removable: if methods.len() > 1 {
            Removable::Yes
        } else {
            Removable::Last(1)
        },
        changes: methods
            .iter()
            .map(|_| NoticeItem {
                what: Happened::MethodAdded,
                at: moment(),
                by: Some(upn.clone()),
            })
            .collect(),
        methods,
        sign_ins,
        sessions,
    };
    add("account-new", &account(vec![], vec![], vec![]));
    let mut no_programs = account(vec![], vec![], vec![]);
    no_programs.app_passwords = Some(AppPasswords {
        making: Making::NotOfThisDomain,
        list: vec![AppPasswordLine {
            id: "crd_cccccccccccccccccccccccccc".to_owned(),
            label: words.name.to_owned(),
            since: moment(),
            last_used: None,
        }],
    });
    add("account-no-programs", &no_programs);
    add(
        "account",
        &account(
            vec![
                SignInLine {
                    at: moment(),
                    to: words.name.to_owned(),
                    with: "password and code".to_owned(),
                };
                2
            ],
            vec![
                Method {
                    id: "crd_aaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
                    name: words.name.to_owned(),
                    kind: "Security key",
                    model: Some(words.name.to_owned()),
                    picture: Some("/models/cb69481e-8ff7-4039-93ec-0a2729a154a8".to_owned()),
                    attested: Some("model verified"),
                    added: moment(),
                    last_used: None,
                },
                Method {
                    id: "crd_bbbbbbbbbbbbbbbbbbbbbbbbbb".to_owned(),
                    name: words.name.to_owned(),
                    kind: "Code generator",
                    model: None,
                    picture: None,
                    attested: None,
                    added: moment(),
                    last_used: Some(moment()),
                },
            ],
            vec![
                SessionLine {
                    id: "ses_aaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
                    last_used: moment(),
                    since: moment(),
                    this_one: true,
                    told: vec!["Microsoft Entra ID".to_owned(), words.name.to_owned()],
                },
                SessionLine {
                    id: "ses_bbbbbbbbbbbbbbbbbbbbbbbbbb".to_owned(),
                    last_used: moment(),
                    since: moment(),
                    this_one: false,
                    told: Vec::new(),
                },
            ],
        ),
    );
    for (name, page) in inspected(frame, words) {
        add(name, &page);
    }
    add(
        "sign_out",
        &SignOutPage {
            frame,
            csrf: csrf(),
        },
    );
    add("not_ended", &NotEndedPage { frame });
    for (name, page) in sign_outs(frame, words) {
        add(&name, page.as_ref());
    }
    for (name, signed_in) in [("nobody", SignedInHere::No), ("user", SignedInHere::Yes)] {
        add(&format!("home-{name}"), &HomePage { frame, signed_in });
    }
    pages.extend(waited_for(frame, words));
    pages
}

/// External MFA: Entra waits, and there is a way back to it.
fn waited_for(frame: &Frame, words: &Words) -> Vec<(String, String)> {
    let waiting = |left, way_back| {
        let mut frame = frame.clone();
        frame.waiting = Some(Waiting {
            left: Duration::from_secs(left),
            page: ACTION.to_owned(),
            cancel: format!("{ACTION}/cancel"),
            csrf: csrf(),
            way_back,
        });
        frame
    };
    let mut pages: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, page: &dyn askama::DynTemplate| {
        pages.push((format!("external_mfa-{name}"), page.dyn_render().unwrap()));
    };
    let upn = words.upn.to_owned();
    for (name, left, state) in [
        ("totp", 270, TotpState::Fresh),
        ("totp-wrong", 45, TotpState::Wrong),
        ("totp-no-pass", 270, TotpState::Fresh),
    ] {
        let frame = &waiting(left, "Cancel");
        let page = TotpPage {
            frame,
            action: format!("{ACTION}/code"),
            csrf: csrf(),
            upn: upn.clone(),
            resync: None,
            key_instead: Some(format!("{ACTION}/key")),
            pass_instead: (name != "totp-no-pass").then(|| format!("{ACTION}/pass")),
            not_me: format!("{ACTION}/not-me"),
            state,
        };
        add(name, &page);
    }
    let frame = &waiting(200, "Cancel");
    let page = KeyPage {
        frame,
        action: format!("{ACTION}/key"),
        csrf: csrf(),
        upn: upn.clone(),
        code_instead: Some(format!("{ACTION}/code")),
        pass_instead: Some(format!("{ACTION}/pass")),
        not_me: format!("{ACTION}/not-me"),
        state: KeyState::Fresh,
    };
    add("key", &page);
    let page = PassPage {
        frame,
        action: format!("{ACTION}/pass"),
        csrf: csrf(),
        username: Username::Known(upn.clone()),
        codes: RecoveryCodes::Never,
        begin_anew: format!("{ACTION}/not-me"),
        state: PassState::Fresh,
    };
    add("pass", &page);
    let frame = &waiting(260, "Back to Microsoft");
    for (name, why, who) in [
        ("stranger", NoAnswer::Stranger, Some(upn)),
        ("nameless", NoAnswer::Stranger, None),
        ("no-fitting", NoAnswer::NoFittingMethod, None),
        ("nothing-to-set-up", NoAnswer::NothingToSetUp, None),
    ] {
        let page = NoAnswerPage {
            frame,
            why,
            name: who,
            support_code: "CB-MFA-006".to_owned(),
            reference: "att_aaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
            heading: NoAnswerPage::heading_of(why),
        };
        add(name, &page);
    }
    pages
}

/// The way out: parties that are asked, and what is known at the end.
fn sign_outs<'f>(
    frame: &'f Frame,
    words: &Words,
) -> Vec<(String, Box<dyn askama::DynTemplate + 'f>)> {
    let form = || WayOut::Form {
        action: "https://sp.example.com/slo".to_owned(),
        fields: vec![("SAMLRequest", words.name.to_owned())],
    };
    let address = || WayOut::Address(format!("https://sp.example.com/slo?a={}&b", words.name));
    let mut pages: Vec<(String, Box<dyn askama::DynTemplate + 'f>)> = Vec::new();
    for (name, turn, scope, way) in [
        ("first", Turn::First, Scope::Here, form()),
        ("again", Turn::Again, Scope::Here, address()),
        ("others", Turn::First, Scope::OthersNot, form()),
        ("since", Turn::First, Scope::Earlier, form()),
    ] {
        let page = SignOutAskPage {
            frame,
            csrf: csrf(),
            here: "/sign-out/out_aaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned(),
            name: words.name.to_owned(),
            turn,
            scope,
            way,
        };
        pages.push((format!("sign_out-ask-{name}"), Box::new(page)));
    }
    let all = [
        Known::Ended,
        Known::Partly,
        Known::Refused,
        Known::NoAnswer,
        Known::Asked,
        Known::CannotBeAsked,
        Known::Began,
    ];
    let frames = || vec!["https://rp.example.com/?a=b&wa=wsignoutcleanup1.0".to_owned()];
    for (name, scope, known, frames, onward) in [
        ("here", Scope::Here, &all[..0], Vec::new(), None),
        ("everywhere", Scope::Everywhere, &all[..0], Vec::new(), None),
        ("parties", Scope::Here, &all[..], frames(), None),
        ("others", Scope::OthersNot, &all[..], frames(), None),
        ("since", Scope::Earlier, &all[..], frames(), None),
        ("onward", Scope::Here, &all[..], frames(), Some(form())),
        (
            "onward-link",
            Scope::Here,
            &all[..1],
            Vec::new(),
            Some(address()),
        ),
    ] {
        let page = SignedOutPage {
            frame,
            scope,
            parties: known
                .iter()
                .map(|known| (words.name.to_owned(), in_words(*known)))
                .collect(),
            all_ended: known == [Known::Ended],
            frames,
            goes_on: onward.is_some(),
            onward,
        };
        pages.push((format!("signed_out-{name}"), Box::new(page)));
    }
    pages
}

/// The inspector's page: empty, with a problem, and with what was found.
fn inspected<'a>(frame: &'a Frame, words: &Words) -> Vec<(&'static str, InspectPage<'a>)> {
    let given = Given {
        message: words.name.to_owned(),
        issuer: words.name.to_owned(),
        cloud: "own".to_owned(),
        ..Given::default()
    };
    let page = |given, problem, judged| InspectPage {
        frame,
        csrf: csrf(),
        given,
        problem,
        judged,
        own: true,
        test: TestSignIn::Offered,
    };
    let judged = |bytes: &[u8], substitutions| {
        let context = Context::at(moment().0);
        Some(Judged::of(
            inspect(bytes, &context),
            &context,
            substitutions,
        ))
    };
    let claims = serde_json::json!({
        "aud": words.name, "iss": words.name, "upn": words.name, "name": words.name,
        "amr": [words.name], "nbf": 1, "exp": 2,
    });
    let trace = serde_json::json!({"log": {"version": "1.2", "entries": [{
        "startedDateTime": "2026-11-20T10:00:00Z",
        "request": {"method": words.name, "url": "https://login.example.com/", "headers": [],
            "postData": {"mimeType": "application/json", "text": claims.to_string()}},
        "response": {"status": 200, "headers": [], "content": {
            "mimeType": "application/json", "text": claims.to_string()}},
    }]}});
    let substituted = Substitution {
        what: "Audience",
        says: words.name.to_owned(),
        for_entra: words.name.to_owned(),
    };
    let problem = Some(("certificate", words.name.to_owned()));
    vec![
        ("inspect-empty", page(Given::default(), None, None)),
        ("inspect-problem", page(given.clone(), problem, None)),
        (
            "inspect-judged",
            page(
                given.clone(),
                None,
                judged(claims.to_string().as_bytes(), vec![substituted]),
            ),
        ),
        (
            "inspect-trace",
            page(
                given.clone(),
                None,
                judged(trace.to_string().as_bytes(), Vec::new()),
            ),
        ),
        (
            "inspect-unknown",
            page(given, None, judged(words.name.as_bytes(), Vec::new())),
        ),
    ]
}

/// Reads a page as XML: what is not escaped or not closed is an error.
fn read(name: &str, html: &str) -> (BTreeSet<String>, Vec<String>) {
    let xml = html.strip_prefix("<!doctype html>").expect(name);
    let page = roxmltree::Document::parse(xml).unwrap_or_else(|error| panic!("{name}: {error}"));
    let elements = || page.descendants().filter(roxmltree::Node::is_element);
    let named = |wanted: &'static str| elements().filter(move |e| e.tag_name().name() == wanted);

    assert_eq!(
        page.root_element().attribute("lang"),
        Some("en"),
        "{name}: lang"
    );
    let title: String = named("title")
        .flat_map(|t| t.descendants())
        .filter_map(|n| n.text())
        .collect();
    assert!(!title.trim().is_empty(), "{name}: title");
    assert_eq!(named("h1").count(), 1, "{name}: one h1");
    assert_eq!(named("main").count(), 1, "{name}: one main");
    assert_eq!(named("style").count(), 0, "{name}: no inline style");
    for script in named("script") {
        assert!(
            script
                .attribute("src")
                .is_some_and(|src| src.starts_with("/assets/"))
                && script.text().is_none_or(|text| text.trim().is_empty()),
            "{name}: scripts are our files"
        );
    }
    let mut ids = BTreeSet::new();
    for id in elements().filter_map(|e| e.attribute("id")) {
        assert!(ids.insert(id.to_owned()), "{name}: id {id} twice");
    }
    for element in elements() {
        for attribute in element.attributes() {
            let attribute_name = attribute.name();
            assert!(
                attribute_name != "style" && !attribute_name.starts_with("on"),
                "{name}: no inline {attribute_name}"
            );
            if ["aria-describedby", "aria-labelledby"].contains(&attribute_name) {
                for id in attribute.value().split(' ') {
                    assert!(
                        ids.contains(id),
                        "{name}: {attribute_name} {id} points nowhere"
                    );
                }
            }
            let loads = attribute_name == "src"
                || (attribute_name == "href" && element.tag_name().name() == "link");
            let ours = ["/assets/", "/models/"];
            // A party of the session is asked to clean up, and can do nothing here.
            let asks = element.tag_name().name() == "iframe"
                && element.has_attribute("sandbox")
                && attribute.value().ends_with("wa=wsignoutcleanup1.0");
            assert!(
                !loads || asks || ours.iter().any(|ours| attribute.value().starts_with(ours)),
                "{name}: loads {} from elsewhere",
                attribute.value()
            );
        }
    }
    for input in named("input").filter(|input| input.attribute("type") != Some("hidden")) {
        let id = input
            .attribute("id")
            .unwrap_or_else(|| panic!("{name}: input without id"));
        assert_eq!(
            named("label")
                .filter(|label| label.attribute("for") == Some(id))
                .count(),
            1,
            "{name}: one label for {id}"
        );
        assert!(
            input.attribute("autocomplete").is_some(),
            "{name}: {id} says what it is"
        );
        if input.attribute("aria-invalid").is_some() {
            let described = input.attribute("aria-describedby").unwrap_or_default();
            assert!(
                described.split(' ').any(|id| id == "problem"),
                "{name}: {id} names its error"
            );
        }
    }
    if ids.contains("problem") {
        assert!(
            title.trim().starts_with("Error: "),
            "{name}: the title says so too"
        );
        assert!(
            ["input", "textarea"].into_iter().any(|kind| {
                named(kind).any(|input| input.attribute("aria-invalid") == Some("true"))
            }),
            "{name}: an input is marked"
        );
    }
    for form in named("form") {
        assert_eq!(form.attribute("method"), Some("post"), "{name}: forms post");
        let own = form
            .attribute("action")
            .is_some_and(|action| action.starts_with('/'));
        let csrf = form
            .descendants()
            .any(|e| e.attribute("name") == Some("csrf"));
        assert_eq!(
            own, csrf,
            "{name}: our forms, and only ours, carry the token"
        );
        assert!(
            form.descendants().any(|e| e.has_tag_name("button")),
            "{name}: a button without JavaScript"
        );
    }
    let fields = named("input")
        .filter_map(|input| input.attribute("autocomplete"))
        .map(ToOwned::to_owned)
        .collect();
    (ids, fields)
}

#[test]
fn every_page_in_every_state_is_well_made() {
    let frame = Frame::new("Contoso sign-in", Some("help@contoso.com"));
    for (name, html) in samples(&frame, &PLAIN, Desk::Ordinary) {
        read(&name, &html);
        assert!(!html.to_lowercase().contains("phone number"), "{name}");
    }
}

/// What a page says, also to a screen reader; addresses and form values left out.
fn words_of(name: &str, html: &str) -> Vec<String> {
    let xml = html.strip_prefix("<!doctype html>").expect(name);
    let page = roxmltree::Document::parse(xml).unwrap_or_else(|error| panic!("{name}: {error}"));
    let said = page.descendants().flat_map(|node| {
        let spoken = [
            "alt",
            "aria-label",
            "title",
            "placeholder",
            "content",
            "class",
        ];
        let attributes = node
            .attributes()
            .filter(move |a| spoken.contains(&a.name()));
        let texts = attributes.map(|attribute| attribute.value());
        texts
            .chain(node.is_text().then(|| node.text().unwrap_or_default()))
            .collect::<Vec<_>>()
    });
    said.flat_map(|text| text.split(|c: char| !c.is_alphanumeric() && c != '-'))
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty())
        .collect()
}

/// The words that a clean desk has no use for.
fn is_messy(word: &str) -> bool {
    const WORDS: [&str; 10] = [
        "sms",
        "qr",
        "mail",
        "e-mail",
        "email",
        "mobile",
        "camera",
        "scan",
        "photograph",
        "remember",
    ];
    word.contains("phone") || WORDS.contains(&word)
}

#[test]
fn at_a_clean_desk_no_page_speaks_of_phones_messages_or_pictures_to_scan() {
    let frame = Frame::new("Contoso sign-in", Some("the service desk, extension 1234"));
    for (name, html) in samples(&frame, &PLAIN, Desk::Clean) {
        let words = words_of(&name, &html);
        assert!(words.len() > 5, "{name}");
        let messy: Vec<&String> = words.iter().filter(|word| is_messy(word)).collect();
        assert!(messy.is_empty(), "{name}: {messy:?}");
        let text = words.join(" ");
        for never in ["stay signed in", "keep me signed in", "text message"] {
            assert!(!text.contains(never), "{name}: {never}");
        }
        assert!(
            !html.contains("mailto:") && !html.contains("tel:"),
            "{name}"
        );
        assert!(!html.contains("<svg"), "{name}: no picture of the secret");
    }
    // The check can fail: an ordinary desk has the picture.
    let ordinary = samples(&frame, &PLAIN, Desk::Ordinary);
    let messy =
        |(name, html): &(String, String)| words_of(name, html).iter().any(|word| is_messy(word));
    assert!(ordinary.iter().any(messy));
}

#[test]
fn what_people_and_strangers_write_stays_text() {
    let frame = Frame::new(HOSTILE.name, Some(HOSTILE.upn));
    for (name, html) in samples(&frame, &HOSTILE, Desk::Ordinary) {
        read(&name, &html);
        assert!(!html.contains("<script src=//"), "{name}");
        assert!(!html.contains("<!--"), "{name}");
    }
}

#[test]
fn a_test_client_finds_inputs_by_their_autocomplete_token() {
    let frame = Frame::new("Contoso sign-in", None);
    for (name, html) in samples(&frame, &PLAIN, Desk::Ordinary) {
        let (_, fields) = read(&name, &html);
        let expected: &[&str] = if name.starts_with("sign_in-password") {
            &["username", "current-password"]
        } else if name.starts_with("sign_in-totp")
            || name.starts_with("external_mfa-totp")
            || name == "sign_in-token-fresh"
        {
            &["one-time-code"]
        } else if name.starts_with("sign_in-token") {
            &["one-time-code", "off"]
        } else if name.starts_with("enrol-key-") && name != "enrol-key-done" {
            &["off"]
        } else if name.starts_with("enrol-totp") {
            &["off", "one-time-code"]
        } else if name.starts_with("sign_in-enrol-unknown") {
            &["username", "off"]
        } else if name.starts_with("sign_in-enrol") || name == "external_mfa-pass" {
            &["off"]
        } else if name == "account-password-changed" {
            &[]
        } else if name.starts_with("enrol-password") || name.starts_with("account-password") {
            &["new-password", "new-password"]
        } else if name.starts_with("inspect-") {
            &["off"; 8]
        } else if name == "account" {
            // The names of two methods, and of a device that gets a password.
            &["off", "off", "off"]
        } else {
            &[]
        };
        assert_eq!(fields, expected, "{name}");
    }
}

#[test]
fn no_template_switches_escaping_off() {
    fn look(folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for bad in ["|safe", "| safe", "escape none", "autoescape"] {
                assert!(!text.contains(bad), "{}: {bad}", path.display());
            }
        }
    }
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("templates"));
}

#[test]
fn write_the_samples_to_look_at() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pages");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(folder.join("assets")).unwrap();
    for (file, content) in crate::web::assets::files() {
        std::fs::write(folder.join("assets").join(file), content).unwrap();
    }
    let frame = Frame::new("Contoso sign-in", Some("help@contoso.com"));
    for (name, html) in samples(&frame, &PLAIN, Desk::Ordinary) {
        let html = html.replace("\"/assets/", "\"assets/");
        std::fs::write(folder.join(format!("{name}.html")), html).unwrap();
    }
    assert!(folder.join("sign_in-password-fresh.html").exists());
}
