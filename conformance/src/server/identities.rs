//! Who may register: registration tokens, the agents they made, and the collisions the server refuses.

use std::fmt;

use super::registration::Register;

/// A token that lets a new agent in.
#[derive(Clone)]
pub struct RegistrationToken {
    token: String,
    multi_use: bool,
    expired: bool,
}

impl RegistrationToken {
    /// A token for one registration.
    pub fn single(token: impl Into<String>) -> Self {
        Self { token: token.into(), multi_use: false, expired: false }
    }

    /// A token for any number of registrations.
    pub fn multi_use(token: impl Into<String>) -> Self {
        Self { multi_use: true, ..Self::single(token) }
    }

    /// A token whose fifteen minutes are over.
    pub fn expired(token: impl Into<String>) -> Self {
        Self { expired: true, ..Self::single(token) }
    }
}

impl fmt::Debug for RegistrationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrationToken").field("multi_use", &self.multi_use).finish_non_exhaustive()
    }
}

/// An agent the server knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The agent's id, which is its permanent token too.
    pub agent_id: String,
    /// The host's id.
    pub host_id: String,
    /// The engine the token belongs to.
    pub engine_id: String,
    /// The host's name.
    pub name: String,
    /// Registered with `force_unique_registration`: exempt from "one agent per engine".
    pub forced: bool,
}

#[derive(Debug, Default)]
pub(super) struct Identities {
    tokens: Vec<(RegistrationToken, u32)>,
    hosts: Vec<Host>,
    local_engines: Vec<String>,
}

impl Identities {
    pub(super) fn add_token(&mut self, token: RegistrationToken) {
        self.tokens.retain(|(known, _)| known.token != token.token);
        self.tokens.push((token, 0));
    }

    pub(super) fn expire_token(&mut self, token: &str) {
        self.tokens.iter_mut().filter(|(known, _)| known.token == token).for_each(|(known, _)| known.expired = true);
    }

    pub(super) fn add_host(&mut self, host: Host) {
        self.hosts.push(host);
    }

    pub(super) fn forget(&mut self, agent_id: &str) {
        self.hosts.retain(|host| host.agent_id != agent_id);
    }

    pub(super) fn watch_locally(&mut self, engine_id: &str) {
        self.local_engines.push(engine_id.to_owned());
    }

    pub(super) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    pub(super) fn knows_permanent(&self, token: &str) -> bool {
        self.hosts.iter().any(|host| host.agent_id == token)
    }

    /// Lets an agent in, or says why not in the server's words. Only a success uses a token up.
    pub(super) fn admit(&mut self, register: &Register, new_id: impl FnMut() -> String) -> Result<Host, String> {
        if let Some(at) = self.hosts.iter().position(|host| host.agent_id == register.token) {
            return self.readmit(at, register);
        }
        let Some(at) = self.tokens.iter().position(|(token, _)| token.token == register.token) else {
            return Err("Invalid registration token".to_owned());
        };
        let (token, uses) = &self.tokens[at];
        if token.expired {
            return Err("Registration token has expired".to_owned());
        }
        if !token.multi_use && *uses > 0 {
            return Err("Registration token has reached maximum uses".to_owned());
        }
        let host = self.first(register, new_id)?;
        self.tokens[at].1 += 1;
        self.hosts.push(host.clone());
        Ok(host)
    }

    fn readmit(&mut self, at: usize, register: &Register) -> Result<Host, String> {
        if self.hosts[at].engine_id != register.engine_id {
            return Err("Permanent token does not match engine_id".to_owned());
        }
        if let Some(name) = &register.hostname {
            // A name that another host has is kept from this one without a word.
            if self.hosts.iter().all(|host| host.name != *name) {
                self.hosts[at].name.clone_from(name);
            }
        }
        Ok(self.hosts[at].clone())
    }

    fn first(&self, register: &Register, mut new_id: impl FnMut() -> String) -> Result<Host, String> {
        let forced = register.force_unique;
        if forced && register.hostname_source.as_deref() != Some("agent_name") {
            return Err("FORCE_UNIQUE_REGISTRATION=true requires AGENT_NAME to be set".to_owned());
        }
        if self.local_engines.contains(&register.engine_id) {
            return Err("Migration not supported for local Docker connections".to_owned());
        }
        if !forced && self.hosts.iter().any(|host| host.engine_id == register.engine_id) {
            return Err("Agent with this engine_id is already registered".to_owned());
        }
        let name = register
            .hostname
            .clone()
            .unwrap_or_else(|| format!("Agent-{}", register.engine_id.chars().take(12).collect::<String>()));
        if self.hosts.iter().any(|host| host.name == name) {
            return Err(format!("A host named '{name}' already exists in DockMon"));
        }
        Ok(Host { agent_id: new_id(), host_id: new_id(), engine_id: register.engine_id.clone(), name, forced })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(token: &str, engine: &str, name: &str) -> Register {
        Register {
            token: token.to_owned(),
            engine_id: engine.to_owned(),
            hostname: Some(name.to_owned()),
            hostname_source: Some("daemon".to_owned()),
            force_unique: false,
        }
    }

    fn ids() -> impl FnMut() -> String {
        let mut last = 0;
        move || {
            last += 1;
            format!("id-{last}")
        }
    }

    #[test]
    fn a_single_use_token_is_used_up_only_by_success() {
        let mut known = Identities::default();
        known.add_token(RegistrationToken::single("once"));
        known.add_host(Host {
            agent_id: "other".to_owned(),
            host_id: "h".to_owned(),
            engine_id: "E0".to_owned(),
            name: "taken".to_owned(),
            forced: false,
        });
        assert_eq!(
            known.admit(&register("once", "E1", "taken"), ids()).unwrap_err(),
            "A host named 'taken' already exists in DockMon"
        );
        let host = known.admit(&register("once", "E1", "free"), ids()).unwrap();
        assert_eq!(host.agent_id, "id-1");
        assert_eq!(
            known.admit(&register("once", "E2", "new"), ids()).unwrap_err(),
            "Registration token has reached maximum uses"
        );
    }

    #[test]
    fn a_permanent_token_belongs_to_its_engine() {
        let mut known = Identities::default();
        known.add_token(RegistrationToken::multi_use("many"));
        let one = known.admit(&register("many", "E1", "one"), ids()).unwrap();
        assert_eq!(known.admit(&register(&one.agent_id, "E1", "renamed"), ids()).unwrap().name, "renamed");
        assert_eq!(
            known.admit(&register(&one.agent_id, "E2", "one"), ids()).unwrap_err(),
            "Permanent token does not match engine_id"
        );
        known.forget(&one.agent_id);
        assert_eq!(
            known.admit(&register(&one.agent_id, "E1", "one"), ids()).unwrap_err(),
            "Invalid registration token"
        );
    }

    #[test]
    fn one_agent_per_engine_unless_forced() {
        let mut known = Identities::default();
        known.add_token(RegistrationToken::multi_use("many"));
        known.add_token(RegistrationToken::expired("old"));
        known.watch_locally("LOCAL");
        let mut new_id = ids();
        known.admit(&register("many", "E1", "one"), &mut new_id).unwrap();
        let mut twin = register("many", "E1", "two");
        assert_eq!(known.admit(&twin, &mut new_id).unwrap_err(), "Agent with this engine_id is already registered");
        twin.force_unique = true;
        assert!(known.admit(&twin, &mut new_id).unwrap_err().starts_with("FORCE_UNIQUE_REGISTRATION=true requires"));
        twin.hostname_source = Some("agent_name".to_owned());
        assert!(known.admit(&twin, &mut new_id).unwrap().forced);
        assert_eq!(
            known.admit(&register("old", "E3", "x"), &mut new_id).unwrap_err(),
            "Registration token has expired"
        );
        assert!(known.admit(&register("many", "LOCAL", "x"), &mut new_id).unwrap_err().starts_with("Migration"));
    }
}
