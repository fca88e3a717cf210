//! Whether the browser itself goes to an address, as far as it says.

use axum::http::HeaderMap;

/// W3C Fetch Metadata: a navigation of a window of its own.
///
/// A page with two hundred images of an address that begins sign-ins would use up what its
/// readers' office may begin. Entra sends people here by a navigation of the window, web
/// views too; a frame could show none of our pages (`frame-ancestors 'none'`), so it begins
/// nothing either. Programs and old browsers say nothing.
pub fn is_navigation(headers: &HeaderMap) -> bool {
    let says = |name: &str, wanted: &str| headers.get(name).is_none_or(|value| value == wanted);
    says("sec-fetch-mode", "navigate") && says("sec-fetch-dest", "document")
}

/// Whether the browser says that this becomes the document of a window: no frame, and no
/// part of a page. One that says nothing does not say it.
pub fn is_a_window_s(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-dest")
        .is_some_and(|dest| dest == "document")
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, HeaderValue};

    use super::is_navigation;

    #[test]
    fn only_the_window_s_own_way_is_a_navigation() {
        let given = |pairs: &[(&'static str, &'static str)]| {
            let headers: HeaderMap = pairs
                .iter()
                .map(|&(name, value)| {
                    let name = HeaderName::from_static(name);
                    (name, HeaderValue::from_static(value))
                })
                .collect();
            is_navigation(&headers)
        };
        let (mode, dest) = ("sec-fetch-mode", "sec-fetch-dest");
        assert!(given(&[]));
        assert!(given(&[(mode, "navigate")]));
        assert!(given(&[(mode, "navigate"), (dest, "document")]));
        for bad in ["no-cors", "cors", "same-origin", "websocket", ""] {
            assert!(!given(&[(mode, bad)]), "{bad}");
        }
        for bad in ["image", "iframe", "frame", "embed", "object", "empty"] {
            assert!(!given(&[(mode, "navigate"), (dest, bad)]), "{bad}");
            assert!(!given(&[(dest, bad)]), "{bad}");
        }
    }
}
