//! Ends of attacks that a status and a text can't tell.

use super::World;
use ::http::Method;
use futures::SinkExt;
use shoal_e2e::client::{part, request, upload};
use shoal_e2e::raw::Raw;
use shoal_e2e::{Answer, Client, Shoal, get};
use std::net::SocketAddr;

/// One of them.
#[derive(Clone, Copy)]
pub(super) enum Special {
    /// The upload that nobody reads is stopped, not kept.
    StuckUpload,
    /// The answer comes though nobody reads the upload, which is not kept.
    UnreadUpload,
    /// No more memory than the limit, which the guest tells in KiB.
    MemoryHeld,
    /// No more memory than the limit, which the guest tells in pages.
    PagesHeld,
    /// What follows the promised length is never an answer.
    ForgedAnswer,
    /// A long line is cut, the rest is dropped.
    CutLine,
    /// Control characters are in the log as text.
    EscapedLines,
    /// As many requests as connections are allowed.
    Requests,
}

type Verdict = Result<(), String>;

fn check(good: bool, what: impl FnOnce() -> String) -> Verdict {
    if good { Ok(()) } else { Err(what()) }
}

impl Special {
    pub(super) async fn run(self, shoal: &Shoal, world: &World, at: SocketAddr) -> Verdict {
        match self {
            Self::StuckUpload => stuck_upload(shoal, at, &[504]).await,
            Self::UnreadUpload => stuck_upload(shoal, at, &[200]).await,
            Self::MemoryHeld => {
                let kib = held(at, "held at ").await?;
                check((16 << 10..=32 << 10).contains(&kib), || format!("{kib} KiB"))
            }
            Self::PagesHeld => {
                let pages = held(at, "held ").await?;
                check((256..=512).contains(&pages), || format!("{pages} pages"))
            }
            Self::ForgedAnswer => forged(at).await,
            Self::CutLine => cut_line(shoal, at).await,
            Self::EscapedLines => escaped(shoal, at).await,
            Self::Requests => requests(world, at).await,
        }
    }
}

/// The number that follows `before` in the answer.
async fn held(at: SocketAddr, before: &str) -> Result<u64, String> {
    let answer = get(at, "/").await;
    let text = answer.text();
    let number = text
        .strip_prefix(before)
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number
        .filter(|_| answer.status == 200)
        .ok_or_else(|| format!("{before:?} expected of {} {text}", answer.status))
}

async fn stuck_upload(shoal: &Shoal, at: SocketAddr, statuses: &[u16]) -> Verdict {
    const MIB: usize = 1 << 20;
    let before = shoal.most_memory();
    let all = (0..3).map(|_| async {
        let (mut sender, body) = upload();
        let sending = tokio::spawn(async move {
            for _ in 0..60 {
                if sender.send(part(vec![b'x'; MIB])).await.is_err() {
                    return;
                }
            }
        });
        let mut client = Client::h1(at).await;
        let sent = shoal_e2e::within(
            "an end of the upload",
            client.try_send(request(Method::POST, "/", body)),
        )
        .await;
        let verdict = match sent {
            Ok(response) => {
                let answer = Answer::read(response).await;
                check(statuses.contains(&answer.status), || {
                    format!("{} {}", answer.status, answer.text())
                })
            }
            // A server may close on those who still send (RFC 9112 section 9.6), and then some never see its answer.
            Err(_) => Ok(()),
        };
        sending.abort();
        verdict
    });
    futures::future::join_all(all)
        .await
        .into_iter()
        .collect::<Verdict>()?;
    let grown = (shoal.most_memory() - before) >> 10;
    check(grown < 64, || {
        format!("{grown} MiB of an upload that nobody reads were kept")
    })
}

async fn forged(at: SocketAddr) -> Verdict {
    let mut raw = Raw::connect(at).await;
    raw.write(
        "GET / HTTP/1.1\r\nhost: x\r\n\r\nGET /second HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )
    .await;
    let all = raw.read_to_end().await;
    check(
        !all.contains("forged") && !all.contains("content-length: 7"),
        || all.chars().take(500).collect(),
    )
}

async fn cut_line(shoal: &Shoal, at: SocketAddr) -> Verdict {
    let before = shoal.most_memory();
    let answer = get(at, "/").await;
    check(answer.status == 200 && answer.text() == "logged\n", || {
        format!("{} {}", answer.status, answer.text())
    })?;
    let lines = shoal.log.of("hostile-log-line-huge");
    let longest = lines.iter().map(String::len).max().unwrap_or(0);
    check(longest > 1 << 20 && longest < (1 << 20) + 64, || {
        format!("the longest line has {longest} bytes")
    })?;
    let cut = lines.iter().any(|line| line.ends_with("[cut at 1048576 bytes]"));
    check(cut, || "no line says that it was cut".to_owned())?;
    let bytes: usize = lines.iter().map(String::len).sum();
    check(bytes < 10 << 20, || {
        format!("{bytes} bytes of 100 MB came through")
    })?;
    let grown = (shoal.most_memory() - before) >> 10;
    check(grown < 48, || format!("{grown} MiB more were resident"))
}

async fn escaped(shoal: &Shoal, at: SocketAddr) -> Verdict {
    let answer = get(at, "/").await;
    check(answer.status == 200, || answer.text())?;
    shoal.says("hostile-log-escapes", "broken").await;
    let lines = shoal.log.of("hostile-log-escapes");
    let there = ["clears the screen", "forged by a carriage return", "nul"];
    check(
        there
            .iter()
            .all(|text| lines.iter().any(|line| line.contains(text))),
        || format!("{lines:?}"),
    )?;
    let raw = shoal
        .log
        .lines()
        .into_iter()
        .find(|line| line.chars().any(char::is_control));
    check(raw.is_none(), || {
        format!("a control character is in the log: {raw:?}")
    })
}

async fn requests(world: &World, at: SocketAddr) -> Verdict {
    let address = world.http.address;
    let answer = get(at, &format!("/?n=150&addr={address}")).await;
    let text = answer.text();
    check(
        answer.status == 200 && text.contains("4 x status 200") && text.contains("146 x"),
        || format!("{} {text}", answer.status),
    )?;
    // More than it may hold handles for.
    let answer = get(at, &format!("/?n=5000&addr={address}")).await;
    check(answer.status == 500, || {
        format!("{} {}", answer.status, answer.text())
    })?;
    let most = world.http.most_open();
    check(most <= 8, || format!("{most} connections were open at once"))
}

/// What path escapes and forbidden connections would have left behind.
pub(super) fn escapes(world: &World) -> Verdict {
    let outside = std::fs::read_to_string(world.folder.path().join("outside")).unwrap_or_default();
    check(outside == "untouched", || {
        format!("a file outside of the folder was changed: {outside:?}")
    })?;
    let names: Vec<_> = world
        .folder
        .path()
        .read_dir()
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    check(names.len() == 2, || {
        format!("beside the granted folder lie {names:?}")
    })?;
    check(world.forbidden.seen() == 0, || {
        "a connection arrived where none was granted".to_owned()
    })
}
