//! Who may come in by a Unix socket.

/// The mode of a socket's file, and the users behind it who are let in.
///
/// Two gates, since a file's mode can be changed by a hand that means well: the operating system's, which goes by the
/// file, and ours, which goes by the user whom the kernel saw connect (unix(7), `SO_PEERCRED`) and whom nobody can
/// pretend to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketAccess {
    /// For whom the file is open.
    pub openness: Openness,
    /// Ids of users let in besides our own and root. None: whomever the file is meant to be open for.
    pub users: Vec<u32>,
}

/// For whom a socket's file is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Openness {
    /// Our own user (and root): 0600.
    #[default]
    Owner,
    /// Its group too: 0660.
    Group,
    /// Every user of the machine: 0666.
    Everyone,
}

impl Openness {
    /// The permission bits.
    pub fn mode(self) -> u32 {
        match self {
            Self::Owner => 0o600,
            Self::Group => 0o660,
            Self::Everyone => 0o666,
        }
    }
}

impl SocketAccess {
    /// Whether a process of user `uid` is let in.
    pub(super) fn admits(&self, uid: u32) -> bool {
        let own = rustix::process::geteuid().as_raw();
        self.admits_besides(own, uid)
    }

    fn admits_besides(&self, own: u32, uid: u32) -> bool {
        uid == own
            || uid == ROOT
            || if self.users.is_empty() {
                self.openness != Openness::Owner
            } else {
                self.users.contains(&uid)
            }
    }
}

const ROOT: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_user_and_root_and_whoever_was_named() {
        let access = |openness, users: &[u32]| SocketAccess { openness, users: users.to_vec() };
        for (access, uid, admitted) in [
            (SocketAccess::default(), 1000, true),
            (SocketAccess::default(), ROOT, true),
            (SocketAccess::default(), 1001, false),
            (access(Openness::Group, &[]), 1001, true),
            (access(Openness::Everyone, &[]), 65534, true),
            (access(Openness::Everyone, &[1001]), 1001, true),
            (access(Openness::Everyone, &[1001]), 1002, false),
            (access(Openness::Everyone, &[1001]), 1000, true),
            (access(Openness::Owner, &[1001]), 1001, true),
        ] {
            assert_eq!(access.admits_besides(1000, uid), admitted, "{access:?} {uid}");
        }
    }
}
