//! SAML 2.0: requests in, responses and metadata out.
