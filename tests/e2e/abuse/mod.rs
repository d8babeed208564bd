//! Callers and upstreams that take more than their share: of time ([`slow`]), of memory ([`bodies`], [`heads`]), of
//! patience ([`readers`]). What they may take is bounded, and others are served meanwhile.

mod bodies;
mod heads;
mod readers;
mod slow;
