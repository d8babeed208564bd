//! The certificate that callers are shown, and whose certificates they must show.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use crate::{
    config::{
        layers::{self, Layers},
        pem_file,
        problem::Fault,
        secret_file::{Exposed, READABLE_BY_OTHERS},
        setting::{self, Setting},
        value::Invalid,
    },
    downstream::{Identity, Unusable},
};

/// What the three files make together; `None` if none is named, or after noting what is wrong. They are read again when
/// they change.
pub(super) fn read(layers: &mut Layers<'_>) -> Option<Identity> {
    use setting as s;

    let cert = path(layers, &s::TLS_CERT);
    let key = path(layers, &s::TLS_KEY);
    let client_ca = path(layers, &s::TLS_CLIENT_CA);
    let problems = layers.problems.len();
    let Some(cert) = cert else {
        for (setting, path) in [(&s::TLS_KEY, key), (&s::TLS_CLIENT_CA, client_ca)] {
            if path.is_some() {
                layers.refuse(setting, Fault::Without { needs: s::TLS_CERT.key });
            }
        }
        return None;
    };
    let chain = noted(layers, &s::TLS_CERT, &cert, pem_file::certificates(&cert));
    let client_ca =
        client_ca.map(|path| noted(layers, &s::TLS_CLIENT_CA, &path, pem_file::certificates(&path)));
    let Some(key) = key else {
        layers.refuse(&s::TLS_CERT, Fault::Without { needs: s::TLS_KEY.key });
        return None;
    };
    let private = noted(layers, &s::TLS_KEY, &key, pem_file::private_key(&key));
    expose(layers, &key);
    if layers.problems.len() > problems {
        return None;
    }
    let identity = Identity::new(chain?, private?, &client_ca.flatten().unwrap_or_default());
    identity.map_err(|why| blame(layers, why)).ok()
}

fn path(layers: &mut Layers<'_>, setting: &'static Setting) -> Option<String> {
    let path = layers.optional(setting, layers::text)?;
    layers.looks_at(Path::new(&path));
    Some(path)
}

/// What was read, or `None` after noting why not.
fn noted<T>(
    layers: &mut Layers<'_>,
    setting: &'static Setting,
    path: &str,
    read: Result<T, Invalid>,
) -> Option<T> {
    read.map_err(|why| {
        let value = (!path.contains('@')).then(|| path.to_owned());
        layers.refuse(setting, Fault::Invalid { value, why });
    })
    .ok()
}

/// Tells, as of any secret's file, that others can read the key.
fn expose(layers: &mut Layers<'_>, path: &str) {
    let mode = fs::metadata(path).map_or(0, |file| file.mode() & 0o777);
    if mode & READABLE_BY_OTHERS != 0 {
        layers.exposed.push(Exposed { name: setting::TLS_KEY.key.to_owned(), path: path.into(), mode });
    }
}

fn blame(layers: &mut Layers<'_>, why: Unusable) {
    let setting = match why {
        Unusable::Certificate(_) => &setting::TLS_CERT,
        Unusable::ClientAuthority(_) | Unusable::ClientAuthorities(_) => &setting::TLS_CLIENT_CA,
    };
    layers.refuse(setting, Fault::Identity(why));
}
