//! The memory that a request needs, and a connection that waits for one does not.

use std::cell::RefCell;

use crate::proxy::inbound::{Head, Inbound};

/// What one request is read into and written from. Lent while it is under way; boxed, so that lending moves a pointer.
#[derive(Default)]
pub(super) struct Workspace {
    pub(super) head: Head,
    pub(super) inbound: Inbound,
    /// What is being written to the caller.
    pub(super) buffer: Vec<u8>,
    /// What is being written to upstream.
    pub(super) wire: Vec<u8>,
}

/// Those that one worker has to lend: the last one back is the next to go, while the caches still hold it.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "what is lent and taken back is a pointer, not half a kilobyte")]
pub(super) struct Workspaces(RefCell<Vec<Box<Workspace>>>);

impl Workspaces {
    /// One with empty buffers.
    pub(super) fn lend(&self) -> Box<Workspace> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes one back after its request, or returns it where the next request has begun in it.
    pub(super) fn take_back(&self, mut workspace: Box<Workspace>) -> Option<Box<Workspace>> {
        workspace.rest();
        if workspace.inbound.has_begun() {
            return Some(workspace);
        }
        let mut idle = self.0.borrow_mut();
        if idle.len() < KEPT {
            idle.push(workspace);
        }
        None
    }
}

impl Workspace {
    /// Gives back what a large request took.
    fn rest(&mut self) {
        self.inbound.rest();
        for buffer in [&mut self.head.bytes, &mut self.buffer, &mut self.wire] {
            buffer.clear();
            buffer.shrink_to(LARGEST);
        }
    }
}

impl std::fmt::Debug for Workspaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Workspaces").field("idle", &self.0.borrow().len()).finish()
    }
}

/// As many as are under way at once where as many as may are, by default, and on one worker. They are made as they are
/// needed, some 8 KiB each; what comes above is made and dropped, which costs a request as much again as it takes.
const KEPT: usize = 1024;
/// A buffer that grew beyond this is not kept.
const LARGEST: usize = 16 * 1024;
