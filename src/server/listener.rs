//! An accept that cannot fail.

use std::{io, time::Duration};

use tokio::net::{TcpListener, TcpStream};

/// Accepts the next connection, waiting out whatever prevents it. Cancel safe.
pub async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The caller's own doing: the next one may be waiting already.
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory: the connection stays in the queue, so trying again at once
                // would only spin.
                tracing::error!(%error, "cannot accept connections; raise the limit on open files (ulimit -n) or lower limits.connections");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}

const PAUSE: Duration = Duration::from_millis(200);
