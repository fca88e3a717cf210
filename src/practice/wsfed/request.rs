//! The addresses that the tenant sends a browser to, as captured from Entra (facts §2.1, §2.2, §2.4).
//!
//! Always true: a request carries no address of the tenant: the identity provider answers
//! where it is configured to; nothing in it authenticates anybody.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::practice::{federation::PromptLogin, request::Wish, verifier::MULTIPLE_AUTHN};

/// `wauth` for a password: what Entra makes of `prompt=login` (facts §2.2).
pub const PASSWORD: &str =
    "http://schemas.microsoft.com/ws/2008/06/identity/authenticationmethod/password";

/// A request to be.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    /// `passiveSignInUri`, query included.
    pub sign_in_url: &'a str,
    /// `wtrealm`.
    pub realm: &'a str,
    /// `wctx`.
    pub context: &'a str,
    /// `client-request-id`, a GUID.
    pub request_id: &'a str,
    /// `username`: a hint, and empty where there is none.
    pub username: &'a str,
    /// What is wanted of the sign-in.
    pub wish: Wish,
    /// The domain's `promptLoginBehavior`.
    pub prompt_login: PromptLogin,
}

impl SignIn<'_> {
    /// The parameters in the captured order; those about freshness and method come last.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![
            ("client-request-id", self.request_id.to_owned()),
            ("wa", "wsignin1.0".to_owned()),
            ("wtrealm", self.realm.to_owned()),
            ("wctx", self.context.to_owned()),
            ("cbcxt", String::new()),
            ("username", self.username.to_owned()),
            ("mkt", String::new()),
            ("lc", String::new()),
        ];
        let fresh = ("wfresh", "0".to_owned());
        let method = |method: &str| ("wauth", method.to_owned());
        let native = self.prompt_login == PromptLogin::NativeSupport;
        match self.wish {
            Wish::Anything | Wish::Passive => {}
            Wish::Mfa => parameters.push(method(MULTIPLE_AUTHN)),
            Wish::FreshSignIn | Wish::FreshMfa if native => {
                parameters.push(("prompt", "login".to_owned()));
                if self.wish == Wish::FreshMfa {
                    parameters.push(method(MULTIPLE_AUTHN));
                }
            }
            Wish::FreshMfa => parameters.extend([fresh, method(MULTIPLE_AUTHN)]),
            Wish::FreshSignIn if self.prompt_login == PromptLogin::Disabled => {
                parameters.push(fresh);
            }
            Wish::FreshSignIn => parameters.extend([fresh, method(PASSWORD)]),
        }
        parameters
    }

    /// The address that a browser is sent to.
    pub fn address(&self) -> String {
        with_parameters(self.sign_in_url, &self.parameters())
    }
}

/// The address that signs out at the identity provider (facts §2.4).
pub fn sign_out_address(sign_out_url: &str) -> String {
    with_parameters(sign_out_url, &[("wa", "wsignout1.0".to_owned())])
}

fn with_parameters(address: &str, parameters: &[(&'static str, String)]) -> String {
    let mut address = address.to_owned();
    for (name, value) in parameters {
        address.push(if address.contains('?') { '&' } else { '?' });
        address.push_str(name);
        address.push('=');
        address.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    address
}

/// `wctx` as long and as opaque as Entra's (facts §2.1: over 2 KB), with what careless
/// echoing spoils: signs of forms and of markup, a space, a letter beyond ASCII, and what
/// looks escaped already.
pub fn context(opaque: &[u8]) -> String {
    format!(
        "LoginOptions=3&estsredirect=2&estsrequest={}&practice=%2B+%26&amp;\"'<é> ;#",
        STANDARD.encode(opaque)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(wish: Wish, prompt_login: PromptLogin) -> String {
        let address = SignIn {
            sign_in_url: "http://localhost:8080/wsfed?domain=contoso.com",
            realm: "urn:federation:MicrosoftOnline",
            context: "a=%2B&b",
            request_id: "1e089e5c-a976-4881-af74-3b92c89e7e2c",
            username: "agent1@contoso.com",
            wish,
            prompt_login,
        }
        .address();
        let captured = "http://localhost:8080/wsfed?domain=contoso.com&client-request-id=1e089e5c%2Da976%2D4881%2Daf74%2D3b92c89e7e2c&wa=wsignin1%2E0&wtrealm=urn%3Afederation%3AMicrosoftOnline&wctx=a%3D%252B%26b&cbcxt=&username=agent1%40contoso%2Ecom&mkt=&lc=";
        address.strip_prefix(captured).unwrap().to_owned()
    }

    const MFA: &str = "wauth=http%3A%2F%2Fschemas%2Emicrosoft%2Ecom%2Fclaims%2Fmultipleauthn";
    const FRESH_PASSWORD: &str = "&wfresh=0&wauth=http%3A%2F%2Fschemas%2Emicrosoft%2Ecom%2Fws%2F2008%2F06%2Fidentity%2Fauthenticationmethod%2Fpassword";

    #[test]
    fn prompt_login_becomes_what_the_domain_says_and_a_step_up_asks_for_mfa() {
        for prompt in PromptLogin::ALL {
            assert_eq!(asked(Wish::Anything, prompt), "");
            assert_eq!(asked(Wish::Mfa, prompt), format!("&{MFA}"));
            let (fresh, fresh_mfa) = match prompt {
                PromptLogin::Unset | PromptLogin::TranslateToFreshPassword => {
                    (FRESH_PASSWORD, format!("&wfresh=0&{MFA}"))
                }
                PromptLogin::NativeSupport => ("&prompt=login", format!("&prompt=login&{MFA}")),
                PromptLogin::Disabled => ("&wfresh=0", format!("&wfresh=0&{MFA}")),
            };
            assert_eq!(asked(Wish::FreshSignIn, prompt), fresh);
            assert_eq!(asked(Wish::FreshMfa, prompt), fresh_mfa);
        }
    }

    #[test]
    fn sign_out_keeps_the_addresss_own_query() {
        for (url, address) in [
            ("http://idp/wsfed", "http://idp/wsfed?wa=wsignout1%2E0"),
            (
                "http://idp/wsfed?domain=a.b",
                "http://idp/wsfed?domain=a.b&wa=wsignout1%2E0",
            ),
        ] {
            assert_eq!(sign_out_address(url), address);
        }
    }
}
