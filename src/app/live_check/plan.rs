//! What the live check is to do, and what it tells the person meanwhile.

use std::{
    io::{self, Write},
    time::Duration,
};

use url::Url;

use super::{Authority, ClientIdentity};

/// Where the endpoints of one cloud are (facts §0, §6.1). That the US government's tenants use
/// the worldwide API is an inference: §6.1 names only two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CloudEndpoints {
    /// Entra's authority.
    pub authority: &'static str,
    /// Partner Center's API; its identifier as a resource is the same.
    pub partner_center: &'static str,
}

/// The endpoints of a cloud by the name of [`crate::relying_party::EntraCloud`].
pub fn cloud_endpoints(name: &str) -> Option<CloudEndpoints> {
    const GLOBAL: &str = "https://api.partnercenter.microsoft.com";
    let (authority, partner_center) = match name {
        "global" => ("https://login.microsoftonline.com", GLOBAL),
        "us-gov" => ("https://login.microsoftonline.us", GLOBAL),
        "china" => (
            "https://login.partner.microsoftonline.cn",
            "https://partner.partnercenterapi.microsoftonline.cn",
        ),
        _ => return None,
    };
    Some(CloudEndpoints {
        authority,
        partner_center,
    })
}

/// Makes a new file that only the present user can read.
pub type Keep = Box<dyn FnOnce() -> io::Result<Box<dyn Write>> + Send>;

/// How the tokens are got.
pub enum Flow {
    /// Authorization code with PKCE, answered to a listener on loopback.
    AuthorizationCode,
    /// Device code: the person signs in on another screen.
    DeviceCode,
    /// The partner consent of the Secure Application Model: code, refresh token, new access token.
    SecureApplicationModel {
        /// Makes the file for the refresh token, once there is one to keep; nowhere if absent.
        keep: Option<Keep>,
    },
}

/// What is to be done.
pub struct Plan {
    /// Whom to ask.
    pub authority: Authority,
    /// As which application.
    pub identity: ClientIdentity,
    /// For which API.
    pub resource: String,
    /// In which way.
    pub flow: Flow,
    /// Whether the person must sign in anew (`prompt=login`), as Microsoft's script demands.
    pub anew: bool,
    /// Whose name is filled in.
    pub login_hint: Option<String>,
    /// Which Partner Center API is asked about the token; none if it is not.
    pub partner_center: Option<Url>,
    /// The port of the redirect address; any of the usual ones if absent.
    pub redirect_port: Option<u16>,
    /// How long the person may take.
    pub patience: Duration,
}

/// What the person has to do now.
#[derive(Clone, Copy, Debug)]
pub enum Notice<'n> {
    /// Open this address in a browser.
    OpenBrowser {
        /// The address.
        address: &'n str,
        /// Where the answer is waited for.
        redirect_uri: &'n str,
    },
    /// Open this address anywhere, and type the code.
    EnterCode {
        /// The address.
        address: &'n str,
        /// The code.
        code: &'n str,
        /// How long it is good.
        lifetime: Duration,
    },
    /// Something goes on that takes a moment.
    Progress(&'n str),
}

/// A length of time as a person says it.
pub fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, 1) => "1 second".to_owned(),
        (0, seconds) => format!("{seconds} seconds"),
        (1, 0) => "1 minute".to_owned(),
        (minutes, 0) => format!("{minutes} minutes"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}
