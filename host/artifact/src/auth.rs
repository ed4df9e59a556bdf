//! Logging in at a registry: Basic, and tokens as the distribution specification's token server gives them.
//!
//! `oci_client::Client::auth` does the latter too, but reads a token of any length, sends credentials to a token
//! server without TLS, drops the reason of a refusal, and does not know docker's identity tokens.

use http_auth::ParamValue;
use http_auth::parser::ChallengeParser;
use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;

use crate::ArtifactError;
use crate::credentials::Credential;
use crate::excerpt::excerpt;
use crate::http::{Access, Registry};
use crate::redirect::{is_secure, origin};
use crate::retry::Failure;

/// No token server has reason to send more.
const MAX_TOKEN_SIZE: u64 = 1 << 20;

/// What a registry wants.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Bearer { realm: String, service: Option<String> },
    Basic,
    Other,
}

impl Registry<'_> {
    /// Answers the challenge of a 401; from then on requests carry what came of it.
    pub(crate) async fn log_in(&self, what: &str, headers: &HeaderMap) -> Result<(), Failure> {
        let refused = || self.status(what, 401, "", None);
        let value = match (choose(headers), &self.credential) {
            (Challenge::Bearer { realm, service }, _) => {
                format!("Bearer {}", self.token(what, &realm, service.as_deref()).await?)
            }
            (
                Challenge::Basic,
                Credential::Basic {
                    username, password, ..
                },
            ) => basic(username, password),
            (Challenge::Basic | Challenge::Other, _) => return Err(refused()),
        };
        let value = HeaderValue::try_from(value).map_err(|_invalid| refused())?;
        self.set_authorization(value);
        Ok(())
    }

    /// Asks the token server for a token that covers the reference.
    async fn token(&self, what: &str, realm: &str, service: Option<&str>) -> Result<String, Failure> {
        let protocol = |reason: String| ArtifactError::Protocol {
            registry: self.name().to_owned(),
            reason,
        };
        let mut url = Url::parse(realm)
            .map_err(|error| protocol(format!("its token server's address is malformed: {error}")))?;
        if !is_secure(&url, &self.transport.plain_http) {
            return Err(ArtifactError::Insecure {
                registry: self.name().to_owned(),
                to: origin(&url),
            }
            .into());
        }
        let actions = match self.access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        let mut query = vec![(
            "scope",
            format!("repository:{}:{actions}", self.reference.repository()),
        )];
        query.extend(service.map(|service| ("service", service.to_owned())));
        let request = match &self.credential {
            Credential::Identity { token, .. } => {
                query.push(("client_id", "shoal".to_owned()));
                query.push(("grant_type", "refresh_token".to_owned()));
                query.push(("refresh_token", token.clone()));
                // Only to have it encoded: the body of a form looks like a query.
                let form =
                    Url::parse_with_params("http://form/", &query).map_err(|e| protocol(e.to_string()))?;
                self.http
                    .post(url)
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.query().unwrap_or_default().to_owned())
            }
            other => {
                url.query_pairs_mut().extend_pairs(&query);
                let request = self.http.get(url);
                match other {
                    Credential::Basic {
                        username, password, ..
                    } => request.basic_auth(username, Some(password)),
                    _ => request,
                }
            }
        };
        let response = self.patient("the token server", request.send()).await?;
        let status = response.status();
        let body = self
            .read("the token server's answer", response, MAX_TOKEN_SIZE)
            .await?;
        if !status.is_success() {
            // Token servers disagree on the status for bad credentials.
            let status = if matches!(status.as_u16(), 400 | 403) {
                401
            } else {
                status.as_u16()
            };
            return Err(self.status(what, status, &crate::http::detail(&body), None));
        }
        parse_token(&body).ok_or_else(|| protocol("its token server sent no token".to_owned()).into())
    }
}

fn parse_token(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    answer
        .token
        .or(answer.access_token)
        .filter(|token| !token.is_empty())
}

fn basic(username: &str, password: &str) -> String {
    use base64::Engine as _;
    let pair = format!("{username}:{password}");
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
}

/// The best of the schemes that are offered.
fn choose(headers: &HeaderMap) -> Challenge {
    let mut chosen = Challenge::Other;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        let Ok(text) = header.to_str() else { continue };
        for challenge in ChallengeParser::new(text).flatten() {
            let param = |name: &str| {
                let found = challenge
                    .params
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value): &(&str, ParamValue<'_>)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = param("realm")
            {
                return Challenge::Bearer {
                    realm: excerpt(&realm, 2000),
                    service: param("service"),
                };
            }
            if challenge.scheme.eq_ignore_ascii_case("basic") {
                chosen = Challenge::Basic;
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(values: &[&str]) -> Challenge {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(WWW_AUTHENTICATE, value.parse().unwrap());
        }
        choose(&headers)
    }

    #[test]
    fn tokens_are_preferred_to_passwords() {
        let bearer = |service: Option<&str>| Challenge::Bearer {
            realm: "https://a/t".to_owned(),
            service: service.map(str::to_owned),
        };
        assert_eq!(
            challenge(&[r#"Bearer realm="https://a/t",service="s""#]),
            bearer(Some("s"))
        );
        assert_eq!(
            challenge(&[r#"Basic realm="x""#, r#"bearer realm="https://a/t""#]),
            bearer(None)
        );
        assert_eq!(challenge(&[r#"Basic realm="x""#]), Challenge::Basic);
        assert_eq!(challenge(&["Bearer service=x"]), Challenge::Other);
        assert_eq!(challenge(&["Negotiate", "\u{1f41f}"]), Challenge::Other);
        assert_eq!(challenge(&[]), Challenge::Other);
    }

    #[test]
    fn a_token_has_two_names() {
        assert_eq!(
            parse_token(br#"{"token": "a", "access_token": "b"}"#).unwrap(),
            "a"
        );
        assert_eq!(parse_token(br#"{"access_token": "b"}"#).unwrap(), "b");
        for body in [b"{}".as_slice(), b"[]", br#"{"token": ""}"#, b"<html>"] {
            assert_eq!(parse_token(body), None);
        }
    }
}
