//! The log of one container as a stream of lines, from the API server. Which ones are read is decided elsewhere.

use super::line::{Line, Origin};
use futures::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use futures::stream::{self, Stream};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

/// What is longer comes in pieces. A component's line has at most 1 MiB, with a mark behind it, and kubelet's time before.
const LONGEST: u64 = (1 << 20) + 1024;

/// The lines of one container.
pub(super) async fn lines(
    pods: &Api<Pod>,
    origin: Arc<Origin>,
    parameters: &LogParams,
) -> kube::Result<impl Stream<Item = io::Result<Line>> + Send + use<>> {
    let parameters = LogParams {
        container: Some(origin.component.clone()),
        timestamps: true,
        ..parameters.clone()
    };
    let reader: Pin<Box<dyn AsyncBufRead + Send>> =
        Box::pin(pods.log_stream(&origin.pod, &parameters).await?);
    Ok(pieces(reader, origin))
}

fn pieces(
    reader: Pin<Box<dyn AsyncBufRead + Send>>,
    origin: Arc<Origin>,
) -> impl Stream<Item = io::Result<Line>> + Send {
    stream::try_unfold(reader, move |mut reader| {
        let origin = Arc::clone(&origin);
        async move {
            let mut bytes = Vec::new();
            let read = (&mut reader).take(LONGEST).read_until(b'\n', &mut bytes).await?;
            Ok((read > 0).then(|| (Line::parse(&origin, &bytes), reader)))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::TryStreamExt;

    #[tokio::test]
    async fn a_line_without_end_comes_in_pieces() {
        let mut text = b"2026-01-02T03:04:05Z ".to_vec();
        text.extend(vec![b'x'; LONGEST as usize]);
        text.extend(b"\n2026-01-02T03:04:06Z last");
        let origin = Arc::new(Origin {
            pod: "a".to_owned(),
            component: "web".to_owned(),
        });
        let lines: Vec<_> = pieces(Box::pin(futures::io::Cursor::new(text)), origin)
            .try_collect()
            .await
            .unwrap();
        let timed: Vec<_> = lines.iter().map(|it| it.time.is_some()).collect();
        assert_eq!(timed, [true, false, true]);
    }
}
