//! The style sheet, the two scripts and the icon.
//!
//! Always true: a name holds the hash of the content, so a browser may keep the
//! file for ever; nothing is loaded from another origin.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

/// A file that is compiled in.
struct Asset {
    /// `NAME.HASH.ext`, the last segment of its address.
    file: String,
    /// Its address, `/assets/NAME.HASH.ext`.
    path: String,
    media_type: &'static str,
    content: &'static [u8],
}

impl Asset {
    fn new(stem: &str, ext: &str, media_type: &'static str, content: &'static [u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, content);
        let hash = data_encoding::HEXLOWER.encode(&digest.as_ref()[..8]);
        let file = format!("{stem}.{hash}.{ext}");
        Self {
            path: format!("/assets/{file}"),
            file,
            media_type,
            content,
        }
    }
}

static ASSETS: LazyLock<[Asset; 6]> = LazyLock::new(|| {
    [
        Asset::new(
            "style",
            "css",
            "text/css; charset=utf-8",
            include_bytes!("assets/style.css"),
        ),
        Asset::new(
            "continue",
            "js",
            "text/javascript; charset=utf-8",
            include_bytes!("assets/continue.js"),
        ),
        Asset::new(
            "webauthn",
            "js",
            "text/javascript; charset=utf-8",
            include_bytes!("assets/webauthn.js"),
        ),
        Asset::new(
            "inspect",
            "js",
            "text/javascript; charset=utf-8",
            include_bytes!("assets/inspect.js"),
        ),
        Asset::new(
            "countdown",
            "js",
            "text/javascript; charset=utf-8",
            include_bytes!("assets/countdown.js"),
        ),
        Asset::new(
            "icon",
            "svg",
            "image/svg+xml",
            include_bytes!("assets/icon.svg"),
        ),
    ]
});

/// Where pages find the assets.
#[derive(Clone, Copy, Debug)]
pub struct AssetPaths {
    /// The style sheet of all pages.
    pub stylesheet: &'static str,
    /// The script that sends the auto-submit form.
    pub continue_script: &'static str,
    /// The script that asks security keys.
    pub webauthn_script: &'static str,
    /// The script of the inspector's page.
    pub inspect_script: &'static str,
    /// The script that counts down how long Entra waits.
    pub countdown_script: &'static str,
    /// The icon of the browser's tab.
    pub icon: &'static str,
}

impl AssetPaths {
    /// The addresses of the assets that are compiled in.
    #[must_use]
    pub fn of_this_build() -> Self {
        let [style, script, webauthn, inspect, countdown, icon] = &*ASSETS;
        Self {
            stylesheet: &style.path,
            continue_script: &script.path,
            webauthn_script: &webauthn.path,
            inspect_script: &inspect.path,
            countdown_script: &countdown.path,
            icon: &icon.path,
        }
    }
}

/// `GET /assets/{file}`.
pub async fn serve(Path(file): Path<String>) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.file == file) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    (
        [
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static(asset.media_type),
            ),
            (
                header::CACHE_CONTROL,
                HeaderValue::from_static("public, max-age=31536000, immutable"),
            ),
        ],
        asset.content,
    )
        .into_response()
}

/// For the test that writes the sample pages to a folder: file name and content.
#[cfg(test)]
pub(crate) fn files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    ASSETS
        .iter()
        .map(|asset| (asset.file.as_str(), asset.content))
}
