//! What Entra's own error codes mean to a partner whose MFA is claimbridge's, and what to
//! do. Sources: facts §9 and Microsoft's list of AADSTS codes.
//!
//! Always true: sorted by number; each remedy is something that the reader can do.

use serde::Serialize;

/// Who has to act.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Concerns {
    /// The federation of the domain, or what we emit.
    Federation,
    /// The MFA fact: missing, too old, not taken.
    Mfa,
    /// A Conditional Access policy or another rule of the tenant.
    ConditionalAccess,
    /// The application that asks: its registration, secret or consent.
    Application,
    /// The person: wrong account, disabled, gave up.
    Person,
}

/// One code.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct EntraError {
    /// The digits after `AADSTS`.
    pub code: u32,
    /// Who has to act.
    pub concerns: Concerns,
    /// What happened, in one sentence.
    pub means: &'static str,
    /// What to do, in one sentence.
    pub fix: &'static str,
}

const fn error(
    code: u32,
    concerns: Concerns,
    means: &'static str,
    fix: &'static str,
) -> EntraError {
    EntraError {
        code,
        concerns,
        means,
        fix,
    }
}

use Concerns::{Application, ConditionalAccess, Federation, Mfa, Person};

// One line for each code: a table to look things up in.
#[rustfmt::skip]
const TABLE: &[EntraError] = &[
    error(16000, Person, "Several accounts are signed in, and none was chosen.", "Use a private window, or give the account with --login-hint."),
    error(50006, Federation, "The signature of the federated token does not hold.", "Compare signingCertificate of the domain with `claimbridge keys list`; inspect the token with `claimbridge inspect`."),
    error(50008, Federation, "The federated token is missing or misshapen: time, audience or structure.", "Inspect it with `claimbridge inspect`, and look at the clock of the identity provider."),
    error(50011, Application, "The redirect address is not registered for the application.", "Register http://localhost for a public client, or the exact address with --redirect-port for a web application."),
    error(50012, Federation, "The signature of the federated token does not hold.", "Compare signingCertificate of the domain with `claimbridge keys list`."),
    error(50020, Person, "The account is none of this tenant.", "Sign in with an account of the partner tenant, or name the tenant with --tenant."),
    error(50027, Federation, "The token of the external provider is not valid.", "Inspect it: nonce, sub, iss, aud and lifetime, with kid and x5c of the key."),
    error(50034, Person, "No account of that name is in the tenant.", "Compare the UPN with the tenant's; it must be the UPN and no alias."),
    error(50053, Person, "The account is locked, or the address is held to be malicious.", "Wait, then look at the sign-in log in Entra."),
    error(50055, Person, "The password has expired.", "Change the password, then try again."),
    error(50057, Person, "The account is disabled.", "Enable it in Entra, or use another."),
    error(50058, Person, "There is no session, and the request may not ask.", "Sign in with a page: leave the silent way."),
    error(50061, Federation, "The sign-out request is not valid.", "Inspect it: NameID and SessionIndex must be those of the sign-in."),
    error(50068, Federation, "The sign-out names no session that this application took part in.", "Inspect NameID and SessionIndex of the request."),
    error(50070, Federation, "The sign-out names an account that is not signed in.", "Inspect NameID of the request."),
    error(50071, Federation, "The sign-out request has expired.", "Look at the clock of the identity provider."),
    error(50072, Mfa, "The account must register for Entra's own MFA.", "Set federatedIdpMfaBehavior of the domain to enforceMfaByFederatedIdp, or let the person register a method."),
    error(50074, Mfa, "Strong authentication was asked for and did not happen.", "Finish the second factor. If it was done here, set federatedIdpMfaBehavior so that Entra takes its claim."),
    error(50076, Mfa, "A policy or setting asks for MFA, and the sign-in brought none that counts.", "The token of the identity provider must carry multipleauthn, and federatedIdpMfaBehavior of the domain must be acceptIfMfaDoneByFederatedIdp or enforceMfaByFederatedIdp."),
    error(50078, Mfa, "The MFA is older than a policy allows.", "Sign in anew. If it comes back at once, look at the session lifetime of the identity provider and at the sign-in frequency."),
    error(50079, Mfa, "The person must be enrolled in MFA, or the federated token must bring the MFA claim.", "The token must carry multipleauthn, and federatedIdpMfaBehavior must take it."),
    error(50089, Person, "The sign-in took too long.", "Begin again."),
    error(50097, ConditionalAccess, "A policy wants a device that is known to the tenant.", "Use such a device, or except this application or person from the policy."),
    error(50105, Application, "The person is not assigned to the application.", "Assign the person under Enterprise applications, or switch the assignment off."),
    error(50107, Federation, "The issuer of the federated token is that of no federated domain.", "Compare issuerUri of the domain with `claimbridge domain show`, letter for letter, and the protocol too."),
    error(50126, Person, "The user name or the password is wrong.", "Try again; a federated account signs in at the identity provider, not with a password here."),
    error(50130, Federation, "The value of the authentication method is not known.", "Inspect the token: the class reference or amr must be one that Entra knows."),
    error(50131, ConditionalAccess, "A policy refused: the device, the place or the state of the sign-in.", "Look at the sign-in log in Entra, Conditional Access tab, for the policy's name."),
    error(50140, Person, "The sign-in was interrupted to ask whether to stay signed in.", "Answer the question, or begin again."),
    error(50147, Application, "The code challenge is missing or misshapen.", "Update the program that asks: PKCE with S256 is wanted."),
    error(50158, ConditionalAccess, "An external challenge waits for the person; by itself this is no failure.", "Finish the second step at the external provider. Custom controls never count as MFA: use federation or External MFA."),
    error(50159, Federation, "The claims of the external provider do not suffice.", "Inspect the id_token: acr must be one that was asked for, and amr a factor of another class than the first."),
    error(50161, Federation, "The authorization address of the external provider is no reply address of its application.", "Add it to the reply URLs of the app registration."),
    error(50166, Federation, "Entra could not reach the external provider.", "Look at the public address, the certificate and Content-Length of the discovery document."),
    error(50170, Federation, "The mapping of an external control is missing.", "Custom controls are retired; use federation or External MFA."),
    error(50172, ConditionalAccess, "The provider of a custom control is not approved.", "Custom controls are retired; use federation or External MFA."),
    error(50173, Mfa, "The refresh token was revoked: the password was changed, or an administrator revoked it.", "Do the partner consent again, with MFA."),
    error(50176, Federation, "The definition of the external control is missing.", "Custom controls are retired; use federation or External MFA."),
    error(50196, Federation, "The same request came again and again: a loop.", "The MFA claim does not arrive. Inspect the last token: class reference and federatedIdpMfaBehavior."),
    error(51004, Federation, "No account has the ImmutableID of the token.", "Compare `claimbridge user show` with onPremisesImmutableId of the account."),
    error(53000, ConditionalAccess, "A policy wants a compliant device.", "Use one, or except this application from the policy."),
    error(53001, ConditionalAccess, "A policy wants a device that is joined to the domain.", "Use one, or except this application from the policy."),
    error(53002, ConditionalAccess, "A policy wants an approved application.", "Use the code flow of an approved application, or except this one."),
    error(53003, ConditionalAccess, "A policy of Conditional Access blocks this sign-in.", "Look at the sign-in log in Entra, Conditional Access tab; the device-code flow is often blocked by itself: try without --device-code."),
    error(53004, ConditionalAccess, "MFA must be registered, and the sign-in is held too risky for that.", "Sign in from a known place, or clear the risk in Entra."),
    error(54005, Application, "The authorization code was redeemed before.", "Begin again; a code is good once."),
    error(65001, Application, "Nobody consented to the application.", "Let an administrator consent to it for Partner Center."),
    error(65004, Person, "The person declined the consent.", "Begin again and accept, or let an administrator consent."),
    error(70000, Application, "The grant is not valid.", "Begin again with the partner consent."),
    error(70002, Application, "The application, or the token that it handed in, could not be verified.", "Compare the client id, the secret or the signing key with what is registered."),
    error(70003, Application, "The application may not use this grant.", "Allow the flow in the app registration, or use another."),
    error(70008, Application, "The code or the refresh token has expired.", "Begin again."),
    error(70011, Application, "The scope is not valid.", "The resource must be Partner Center, and the application must have the permission user_impersonation for it."),
    error(70016, Person, "The device code waits for the person.", "Finish the sign-in on the page."),
    error(70018, Person, "The person declined, or the device code is wrong.", "Begin again, and press Continue at the question."),
    error(70019, Person, "The device code has expired.", "Begin again, and sign in within its time."),
    error(70043, Mfa, "The refresh token has expired by the sign-in frequency of a policy.", "Do the partner consent again, or except this application from the sign-in frequency."),
    error(70044, Mfa, "The session has expired by the sign-in frequency of a policy.", "Sign in again."),
    error(75011, Application, "The application wants another method than the one that was used.", "It is the application that asks; its RequestedAuthnContext must take any."),
    error(90002, Application, "There is no such tenant.", "Give the tenant's id or one of its verified domains."),
    error(90027, Person, "A personal Microsoft account was used.", "Sign in with an account of the partner tenant."),
    error(90072, Person, "The account is none of this tenant.", "Sign in with an account of the partner tenant."),
    error(90094, Application, "The permission needs an administrator's consent.", "Let an administrator consent to the application."),
    error(500_011, Application, "The tenant does not know the API that was asked for.", "The tenant must be a partner's; Partner Center's service principal appears when a person opens it."),
    error(500_082, Federation, "The answer holds no assertion that Entra could read.", "Inspect it: Status must be Success, with exactly one plain Assertion."),
    error(500_089, Federation, "The SAML 2.0 assertion does not hold.", "Inspect it: Destination, Recipient, Audience and NameID format."),
    error(500_112, Application, "The redirect address is not that of the authorization request.", "Begin again; a code is good for the address that it was sent to."),
    error(501_481, Application, "The code verifier is not that of the challenge.", "Begin again; another program may have used the code."),
    error(501_491, Application, "The method of the code challenge is not taken.", "Update the program that asks: PKCE with S256 is wanted."),
    error(530_003, ConditionalAccess, "A policy wants a managed device.", "Use one, or except this application from the policy."),
    error(530_032, ConditionalAccess, "A security policy of the tenant blocks this sign-in.", "Look at the sign-in log in Entra; security defaults block old protocols."),
    error(700_016, Application, "The application is not in this tenant.", "Compare --client-id with the app registration, and --tenant with the tenant that has it."),
    error(700_025, Application, "A public client must not bring a secret.", "Leave --client-secret-file out, or register the application as a web application."),
    error(700_082, Application, "The refresh token has expired because nobody used it.", "Do the partner consent again; use the refresh token at least every 90 days."),
    error(900_491, Federation, "The application of the external provider has no consent in this tenant.", "Let an administrator consent to it."),
    error(5_000_811, Federation, "The key that signed the token is not registered for the domain.", "Publish the certificate as signingCertificate or nextSigningCertificate."),
    error(5_000_819, Federation, "The e-mail address of the guest does not match the federated domain.", "This is about guests by SAML; the address must be of the domain."),
    error(5_000_820, Federation, "The account's domain is not that of the issuer.", "An issuer speaks for one root domain: give each root domain its own issuerUri."),
    error(5_001_256, Federation, "The id_token of the external provider is not valid.", "Inspect it with --expect entra-external-mfa."),
    error(7_000_112, Application, "The application is disabled.", "Enable it under Enterprise applications."),
    error(7_000_215, Application, "The secret of the application is wrong.", "Give the secret's value, not its id; make a new one if it is lost."),
    error(7_000_218, Application, "The application must prove itself with a secret.", "Give --client-secret-file, or register it as a public client."),
    error(7_000_222, Application, "The secret of the application has expired.", "Make a new one in the app registration."),
];

/// All codes that are explained.
pub fn all() -> &'static [EntraError] {
    TABLE
}

/// What `code` means.
pub fn of(code: u32) -> Option<&'static EntraError> {
    TABLE
        .binary_search_by_key(&code, |error| error.code)
        .ok()
        .and_then(|at| TABLE.get(at))
}

/// The codes in a text of Entra's, in their order: `AADSTS50076: …`. Bounded by the text.
pub fn codes_in(text: &str) -> Vec<u32> {
    let mut codes = Vec::new();
    for part in text.split("AADSTS").skip(1) {
        let digits: String = part
            .chars()
            .take_while(char::is_ascii_digit)
            .take(9)
            .collect();
        if let Ok(code) = digits.parse()
            && !codes.contains(&code)
        {
            codes.push(code);
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_each_code_is_found() {
        assert!(TABLE.is_sorted_by(|one, other| one.code < other.code));
        for error in TABLE {
            assert_eq!(of(error.code).unwrap().means, error.means);
        }
        assert!(of(1).is_none());
    }

    #[test]
    fn every_code_that_a_rule_names_is_explained() {
        for rule in crate::inspect::rules::all() {
            for code in rule.aadsts {
                if matches!(*code, "401" | "900421") {
                    continue;
                }
                let code: u32 = code.parse().unwrap();
                assert!(of(code).is_some(), "{}: AADSTS{code}", rule.id);
            }
        }
    }

    /// Facts §9, and what the practice tenant answers as Entra would.
    #[test]
    fn what_the_facts_name_and_what_a_client_meets_is_explained() {
        for code in [
            50006, 50008, 50011, 50012, 50020, 50027, 50034, 50058, 50061, 50068, 50070, 50071,
            50074, 50076, 50078, 50079, 50107, 50130, 50147, 50158, 50159, 50161, 50166, 50172,
            50196, 51004, 70000, 70002, 70003, 70008, 70011, 70016, 70018, 70019, 75011, 90002,
            90027, 500_011, 500_082, 500_089, 500_112, 501_481, 501_491, 700_016, 700_025, 900_491,
            5_000_811, 5_000_819, 5_000_820, 5_001_256, 7_000_215, 7_000_218,
        ] {
            assert!(of(code).is_some(), "AADSTS{code}");
        }
    }

    #[test]
    fn codes_are_found_in_entras_sentences() {
        assert_eq!(
            codes_in(
                "AADSTS50076: Due to a configuration change … AADSTS50079, AADSTS50076. Trace ID: x"
            ),
            [50076, 50079]
        );
        assert_eq!(
            codes_in("AADSTS: none, AADSTSx, AADSTS99999999999999"),
            [999_999_999]
        );
        assert_eq!(codes_in("no code"), [] as [u32; 0]);
    }
}
