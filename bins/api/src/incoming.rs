//! Reading what clients send, within bounds.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures::{Stream, StreamExt as _};

use crate::problem::Problem;

/// Reads a body of at most `limit_bytes` that arrives within `patience`.
pub(crate) async fn read_body<S, B, E>(
    body: S,
    limit_bytes: usize,
    patience: Duration,
) -> Result<Bytes, Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    match tokio::time::timeout(patience, collect(body, limit_bytes)).await {
        Ok(read) => read,
        Err(_elapsed) => Err(Problem::TooSlow),
    }
}

async fn collect<S, B, E>(body: S, limit_bytes: usize) -> Result<Bytes, Problem>
where
    S: Stream<Item = Result<B, E>>,
    B: Buf,
{
    let mut body = std::pin::pin!(body);
    let mut read = BytesMut::new();
    while let Some(part) = body.next().await {
        let Ok(mut part) = part else {
            return Err(Problem::Malformed("The request body broke off.".to_owned()));
        };
        if read.len() + part.remaining() > limit_bytes {
            return Err(Problem::BodyTooLarge { limit_bytes });
        }
        read.extend_from_slice(&part.copy_to_bytes(part.remaining()));
    }
    Ok(read.freeze())
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, io};

    use futures::stream;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn parts(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::iter(parts.iter().map(|part| Ok(Bytes::from(*part))).collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn a_body_within_its_limit_is_read_whole() {
        assert_eq!(read_body(parts(&["ab", "", "c"]), 3, PATIENCE).await, Ok("abc".into()));
        assert_eq!(read_body(parts(&[]), 3, PATIENCE).await, Ok(Bytes::new()));
    }

    #[tokio::test]
    async fn too_much_too_slow_and_broken_are_told_apart() {
        let large = read_body(parts(&["ab", "cd"]), 3, PATIENCE).await;
        assert_eq!(large, Err(Problem::BodyTooLarge { limit_bytes: 3 }));
        let silent = stream::pending::<Result<Bytes, Infallible>>();
        assert_eq!(read_body(silent, 3, Duration::from_millis(5)).await, Err(Problem::TooSlow));
        let broken = stream::iter([Err::<Bytes, _>(io::Error::other("gone"))]);
        assert!(matches!(read_body(broken, 3, PATIENCE).await, Err(Problem::Malformed(_))));
    }
}
