//! Logins: passwords at a real registry, docker's credential helpers, tokens of all kinds.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use base64::Engine as _;
use serde_json::json;
use shoal_artifact::{
    ArtifactError, CredentialSource, FetchOptions, Keyring, PullSecret, PushOptions, Source, push,
};

use crate::support::docker::{DockerRegistry, USER};
use crate::support::fake::{Answer, Asked, End, Fake, Image};
use crate::support::{TempCache, component, options, readable, source, transport};

fn secret(registry: &str, user: (&str, &str)) -> CredentialSource {
    let auth = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", user.0, user.1));
    CredentialSource::Json(
        json!({"auths": {registry: {"auth": auth}}})
            .to_string()
            .into_bytes(),
    )
}

async fn push_to(registry: &str, credentials: CredentialSource) -> Result<String, ArtifactError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), component(b"secret")).unwrap();
    let mut push_options = PushOptions {
        transport: transport(registry),
        ..PushOptions::default()
    };
    push_options.transport.credentials = credentials;
    let reference = shoal_artifact::parse_reference(&format!("{registry}/private/x:1")).unwrap();
    Ok(push(file.path(), &reference, &push_options, &()).await?.reference)
}

async fn pull_from(registry: &str, credentials: CredentialSource) -> Result<(), ArtifactError> {
    let temp = TempCache::new();
    let mut options = options(registry);
    options.transport.credentials = credentials;
    let fetched = temp
        .cache
        .fetch(&source(&format!("{registry}/private/x:1")), &options, &())
        .await;
    if fetched.is_err() {
        temp.assert_empty();
    }
    fetched.map(drop)
}

#[tokio::test]
async fn a_password_opens_a_real_registry() {
    let registry = DockerRegistry::start(true);
    let right = || secret(&registry.name, USER);
    push_to(&registry.name, right()).await.unwrap();
    pull_from(&registry.name, right()).await.unwrap();
    let CredentialSource::Json(json) = right() else {
        unreachable!("as made above");
    };
    let mut keyring = Keyring::default();
    keyring
        .add("Secret pull", PullSecret::DockerConfigJson, &json)
        .unwrap();
    let found = keyring.lookup(&format!("{}/private/x", registry.name));
    let login = CredentialSource::Login(found[0].clone());
    pull_from(&registry.name, login).await.unwrap();

    let wrong = || secret(&registry.name, (USER.0, "open barley"));
    let who = format!(
        "(401): tried the login of {:?} from the pull secret; run `docker login {}`",
        USER.0, registry.name
    );
    for error in [
        push_to(&registry.name, wrong()).await.unwrap_err(),
        pull_from(&registry.name, wrong()).await.unwrap_err(),
    ] {
        assert!(readable(&error).contains(&who), "{error}");
    }
    let nobody = secret("another.example", USER);
    for error in [
        push_to(&registry.name, nobody.clone()).await.unwrap_err(),
        pull_from(&registry.name, nobody).await.unwrap_err(),
        pull_from(&registry.name, CredentialSource::Anonymous)
            .await
            .unwrap_err(),
    ] {
        assert!(matches!(error, ArtifactError::Unauthorized { .. }), "{error}");
    }
}

/// The helper's name is looked up in PATH and docker's folder in the environment, which a test must not change
/// while others run: the part that needs them is a process of its own.
#[tokio::test]
async fn dockers_configuration_and_helpers_are_used() {
    let registry = DockerRegistry::start(true);
    push_to(&registry.name, secret(&registry.name, USER))
        .await
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let helper = dir.path().join("docker-credential-shoaltest");
    let answer = json!({"ServerURL": registry.name, "Username": USER.0, "Secret": USER.1});
    let script = format!(
        "#!/bin/sh\nread server\nif [ \"$1 $server\" = 'get {}' ]; then echo '{answer}'; else\n\
         echo 'credentials not found in native keychain'; exit 1; fi\n",
        registry.name
    );
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    for (config, succeeds) in [
        (
            json!({"credHelpers": {registry.name.as_str(): "shoaltest"}}),
            true,
        ),
        (
            json!({"credsStore": "shoaltest", "auths": {registry.name.as_str(): {}}}),
            true,
        ),
        (json!({"credHelpers": {"other.example": "shoaltest"}}), false),
    ] {
        std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
        let output = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "login::pulls_with_dockers_configuration"])
            .env("PATH", &path)
            .env("DOCKER_CONFIG", dir.path())
            .env("SHOAL_TEST_REGISTRY", &registry.name)
            .output()
            .await
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("running 1 test"), "{text}");
        assert_eq!(output.status.success(), succeeds, "{config}: {text}");
        assert_eq!(
            text.contains("config.json has no credentials for it"),
            !succeeds,
            "{text}"
        );
    }
}

#[tokio::test]
#[ignore = "run by dockers_configuration_and_helpers_are_used with an environment of its own"]
async fn pulls_with_dockers_configuration() {
    let registry = std::env::var("SHOAL_TEST_REGISTRY").unwrap();
    let error = pull_from(&registry, CredentialSource::Docker)
        .await
        .err()
        .map(|error| error.to_string());
    assert_eq!(error, None);
}

/// A registry with a token server at `/token`, which `token` plays.
async fn with_tokens(token: impl Fn(&Asked<'_>) -> Answer + Send + Sync + 'static) -> Fake {
    let image = Image::new("application/wasm", &component(b"token"));
    Fake::start(move |asked| {
        if asked.path == "/token" {
            return token(asked);
        }
        // The first token holds for manifests, the second for blobs, as if it had expired in between.
        let wanted = if asked.path.contains("/blobs/") {
            "Bearer second"
        } else {
            "Bearer first"
        };
        if asked.authorization == Some(wanted) {
            return image.honest(asked);
        }
        let realm = format!(
            "Bearer realm=\"http://{}/token\",service=\"the service\"",
            asked.host
        );
        Answer::status(401).header("www-authenticate", realm)
    })
    .await
}

fn token_of(asked: &Asked<'_>) -> Answer {
    Answer::ok(json!({"token": if asked.before == 0 { "first" } else { "second" }}).to_string())
}

#[tokio::test]
async fn tokens_are_fetched_and_renewed() {
    let fake = with_tokens(|asked| {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", USER.0, USER.1));
        let right = asked.authorization == Some(&format!("Basic {basic}"))
            && asked.query == "scope=repository%3Aprivate%2Fx%3Apull&service=the+service";
        if right {
            token_of(asked)
        } else {
            Answer::status(400)
        }
    })
    .await;
    pull_from(&fake.name, secret(&fake.name, USER)).await.unwrap();
    assert_eq!(fake.count("/token"), 2);

    let fake = with_tokens(|asked| match asked.authorization {
        None => token_of(asked),
        Some(_) => Answer::status(400),
    })
    .await;
    pull_from(&fake.name, CredentialSource::Anonymous).await.unwrap();

    let fake = with_tokens(|asked| {
        let form = "scope=repository%3Aprivate%2Fx%3Apull&service=the+service&client_id=shoal\
            &grant_type=refresh_token&refresh_token=re%26fresh";
        if asked.method == "POST" && asked.body == form {
            token_of(asked)
        } else {
            Answer::status(400)
        }
    })
    .await;
    let config = json!({"auths": {&fake.name: {"identitytoken": "re&fresh"}}});
    pull_from(
        &fake.name,
        CredentialSource::Json(config.to_string().into_bytes()),
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn token_servers_that_go_wrong() {
    let expect = async |expected: &str, token: fn(&Asked<'_>) -> Answer| {
        let fake = with_tokens(token).await;
        let error = pull_from(&fake.name, secret(&fake.name, USER)).await.unwrap_err();
        assert!(readable(&error).contains(expected), "{error} lacks {expected}");
    };
    for status in [
        |_: &Asked<'_>| Answer::status(401),
        |_: &Asked<'_>| Answer::status(403),
    ] {
        expect("wants a login for image", status).await;
    }
    expect("its token server sent no token", |_| Answer::ok("{}")).await;
    expect(
        "the token server's answer is larger than the limit of 1048576 bytes",
        |_| Answer::ok([b' '; 4096]).end(End::Never),
    )
    .await;
    expect("the token server: the registry sent nothing for 300ms", |_| {
        Answer::ok([]).end(End::Silent)
    })
    .await;
    expect("answered 500 (gave up after 3 attempts)", |_| Answer::status(500)).await;
    // Never accepted, so asked for once for each request, and no more.
    expect("wants a login for image", |_| Answer::ok(r#"{"token": "wrong"}"#)).await;
}

#[tokio::test]
async fn credentials_go_to_no_token_server_without_tls() {
    let thief = Fake::start(|_| Answer::ok(r#"{"token": "first"}"#)).await;
    let realm = format!("Bearer realm=\"http://{}/token\"", thief.name);
    let fake = Fake::start(move |_| Answer::status(401).header("www-authenticate", realm.clone())).await;
    let error = pull_from(&fake.name, secret(&fake.name, USER)).await.unwrap_err();
    assert!(
        readable(&error).contains("which would be spoken to without TLS"),
        "{error}"
    );
    assert_eq!(thief.count(""), 0);
}

#[tokio::test]
async fn a_credentials_file_must_exist() {
    let temp = TempCache::new();
    let mut options: FetchOptions = options("r.example");
    options.transport.credentials = CredentialSource::File(PathBuf::from("/nonexistent/config.json"));
    let reference = shoal_artifact::parse_reference("r.example/x:1").unwrap();
    let error = temp
        .cache
        .fetch(&Source::Reference(reference), &options, &())
        .await
        .unwrap_err();
    assert!(
        readable(&error).contains("can't read the credentials in /nonexistent/config.json"),
        "{error}"
    );
}
