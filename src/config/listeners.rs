//! Where callers and operators come in, and whether that can stand.

use crate::{
    callers::Rules,
    config::{layers::Layers, problem::Fault, setting, tls, value, value::Invalid},
    downstream::{Address, Addresses, Identity, Openness, SocketAccess},
};

/// What the two listeners are made of.
#[derive(Clone, Debug)]
pub struct Listening {
    /// Where callers connect.
    pub callers: Addresses,
    /// Where probes, scrapers and operators connect.
    pub admin: Addresses,
    /// Who we are over TLS. Without one, callers speak plain HTTP.
    pub tls: Option<Identity>,
    /// Whether operators speak TLS too.
    pub admin_tls: bool,
    /// Who may use Unix sockets.
    pub sockets: SocketAccess,
    /// Whether listening beyond loopback needs neither keys nor certificates.
    pub unsafe_open: bool,
}

impl Listening {
    /// Looks at every setting of the listeners. Each address beyond loopback is refused unless nobody gets in there
    /// without a key or a client certificate, or it was allowed: reaching the port would be being the account's owner.
    pub(super) fn read(layers: &mut Layers<'_>, of_callers: &Rules, of_operators: &Rules) -> Self {
        use setting as s;

        let callers = layers.value(&s::LISTEN, addresses);
        let admin = layers.value(&s::ADMIN_LISTEN, addresses);
        let open = layers.value(&s::UNSAFE_OPEN, value::yes_or_no);
        let sockets =
            SocketAccess { openness: layers.value(&s::SOCKET_MODE, openness), users: users(layers) };
        let tls = tls::read(layers);
        let admin_tls = layers.value(&s::ADMIN_TLS, value::yes_or_no);
        if admin_tls && !layers.is_set(&s::TLS_CERT) {
            layers.refuse(&s::ADMIN_TLS, Fault::Without { needs: s::TLS_CERT.key });
        }
        // One that is wrong is reported as such; that it is missing need not be said too.
        let is_closed = layers.is_set(&s::TLS_CLIENT_CA);
        let is_guarded = |rules: &Rules, is_certified: bool| open || is_certified || !rules.keys.is_empty();
        for (setting, addresses, keys, is_guarded) in [
            (&s::LISTEN, &callers, &s::CALLER_KEYS, is_guarded(of_callers, is_closed)),
            (&s::ADMIN_LISTEN, &admin, &s::ADMIN_KEYS, is_guarded(of_operators, is_closed && admin_tls)),
        ] {
            if let Some(address) = addresses.iter().find(|address| !is_guarded && !address.is_local()) {
                layers.refuse(setting, Fault::Open { address: address.clone(), keys: keys.env });
            }
        }
        if let Some(address) = admin.shared_with(&callers) {
            let other = s::LISTEN.env;
            layers.refuse(&s::ADMIN_LISTEN, Fault::SameAddress { other, address: address.clone() });
        }
        Self { callers, admin, tls, admin_tls, sockets, unsafe_open: open }
    }

    /// Whether a listener would stand open to other machines under these rules.
    pub(super) fn would_stand_open(&self, callers: &Rules, operators: &Rules) -> bool {
        let is_certified = self.requires_client_certificates();
        let listeners = [
            (&self.callers, callers, is_certified),
            (&self.admin, operators, is_certified && self.admin_tls),
        ];
        !self.unsafe_open
            && listeners.iter().any(|(addresses, rules, is_certified)| {
                !is_certified && rules.keys.is_empty() && !addresses.iter().all(Address::is_local)
            })
    }

    /// Whether no caller gets in by TCP without a certificate of the authority that was named.
    pub fn requires_client_certificates(&self) -> bool {
        self.tls.as_ref().is_some_and(Identity::requires_client_certificates)
    }
}

/// The place at which the commands ask: a Unix socket if there is one, since it needs no certificate; `None` after noting
/// that there is none that they can use.
pub(super) fn admin(layers: &mut Layers<'_>) -> Option<Address> {
    let addresses = layers.value(&setting::ADMIN_LISTEN, addresses);
    if let Some(path) = addresses.unix() {
        return Some(Address::Unix(path.to_owned()));
    }
    if layers.value(&setting::ADMIN_TLS, value::yes_or_no) {
        layers.refuse(&setting::ADMIN_LISTEN, Fault::NoSocket);
        return None;
    }
    addresses.tcp().map(Address::Tcp)
}

pub(super) fn addresses(text: &str) -> Result<Addresses, Invalid> {
    Ok(text.parse()?)
}

fn openness(text: &str) -> Result<Openness, Invalid> {
    match text.trim_start_matches('0') {
        "600" => Ok(Openness::Owner),
        "660" => Ok(Openness::Group),
        "666" => Ok(Openness::Everyone),
        _ => Err(Invalid::Choice { of: "600, 660, 666" }),
    }
}

fn users(layers: &mut Layers<'_>) -> Vec<u32> {
    let users = |text: &str| {
        let uids: Result<Vec<u32>, _> = text.split(',').map(|uid| uid.trim().parse()).collect();
        uids.map_err(|_| Invalid::List { form: "numeric user ids (id -u NAME)" })
    };
    layers.optional(&setting::SOCKET_USERS, users).unwrap_or_default()
}
