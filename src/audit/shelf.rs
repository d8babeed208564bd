//! Where a log lies: in a directory. Fuzz targets have one in memory, since reading what nobody wrote in order takes
//! many tries.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::audit::{
    directory::{self, no_follow},
    head,
    walk::Lines,
};

/// The files of a log, for whoever reads them.
pub(super) trait Shelf {
    type Reader: BufRead;

    /// What is in the head; nothing where there is none.
    fn head(&self) -> io::Result<Option<Vec<u8>>>;

    /// The numbers of the files, in order.
    fn numbers(&self) -> io::Result<Vec<u32>>;

    /// The lines of one of them.
    fn lines(&self, number: u32) -> io::Result<Lines<Self::Reader>>;
}

impl Shelf for Path {
    type Reader = BufReader<File>;

    fn head(&self) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.join(head::NAME)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn numbers(&self) -> io::Result<Vec<u32>> {
        directory::numbers(self)
    }

    fn lines(&self, number: u32) -> io::Result<Lines<Self::Reader>> {
        let path = directory::path(self, number);
        let file = OpenOptions::new().read(true).custom_flags(no_follow()).open(path)?;
        Ok(Lines::of(BufReader::with_capacity(64 * 1024, file)))
    }
}
