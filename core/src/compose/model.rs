//! What the agent reads of a Compose file: no more than the server shows of it.

use super::yaml::{Node, Yaml, YamlError};
use crate::compose::rules;

/// Services told of one file.
const MAX_SERVICES: usize = 500;
/// Env files of one file.
const MAX_ENV_FILES: usize = 64;
/// Characters of a service's name, and of an env file's path.
const MAX_NAME: usize = 255;

/// What stands in a Compose file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    /// The project's name, if the file gives one that can be told without knowing variables.
    name: Option<String>,
    /// The services, in the file's order.
    pub(crate) services: Vec<String>,
    /// The env files that services name, as they stand there, each once.
    pub(crate) env_files: Vec<String>,
}

impl Model {
    /// Reads a file's text.
    pub(crate) fn read(text: &str) -> Result<Self, YamlError> {
        let yaml = Yaml::read(text)?;
        let mut model = Self::default();
        for document in &yaml.documents {
            for (key, value) in yaml.pairs(document) {
                match key {
                    "name" => model.name = yaml.text(value).and_then(plain_name),
                    "services" => model.add_services(&yaml, value),
                    _ => {}
                }
            }
        }
        Ok(model)
    }

    /// The project's name: the file's own, or that of its folder.
    pub(crate) fn project_name(&self, folder: &str) -> String {
        let folder_name = || rules::project_name(folder.rsplit('/').next().unwrap_or_default());
        self.name.clone().unwrap_or_else(folder_name)
    }

    fn add_services<'a>(&mut self, yaml: &Yaml<'a>, services: &Node<'a>) {
        for (name, service) in yaml.pairs(services) {
            if self.services.len() >= MAX_SERVICES {
                return;
            }
            let name: String = name.chars().take(MAX_NAME).collect();
            if !self.services.contains(&name) {
                self.services.push(name);
            }
            if let Some(env_file) = yaml.get(service, "env_file") {
                self.add_env_file(yaml, env_file);
                yaml.elements(env_file).iter().for_each(|one| self.add_env_file(yaml, one));
            }
        }
    }

    /// `env_file: x.env`, `[x.env, …]` or `[{path: x.env, required: false}, …]`
    fn add_env_file<'a>(&mut self, yaml: &Yaml<'a>, named: &Node<'a>) {
        let path = yaml.text(named).or_else(|| yaml.text(yaml.get(named, "path")?));
        let Some(path) = path.filter(|path| !path.is_empty()) else { return };
        let path: String = path.chars().take(MAX_NAME).collect();
        if self.env_files.len() < MAX_ENV_FILES && !self.env_files.contains(&path) {
            self.env_files.push(path);
        }
    }
}

/// A name as it is, or the default of one that is a variable: `${NAME:-shop}`. The agent does not know the variables
/// that somebody will run Compose with.
fn plain_name(text: &str) -> Option<String> {
    let text = match text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')) {
        Some(variable) => variable.split_once(":-").or_else(|| variable.split_once('-'))?.1,
        None => text,
    };
    let name = if text.contains('$') { String::new() } else { rules::project_name(text) };
    Some(name).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Model {
        Model::read(text).unwrap()
    }

    #[test]
    fn what_people_write() {
        let model = read(
            "name: demo-shop\nx-common: &common\n  env_file: common.env\nservices:\n  web:\n    <<: *common\n    image: a\n  \
             db:\n    env_file: [./db.env, {path: ../other.env, required: false}, common.env]\n  cache: {env_file: {path: c.env}}\n  \
             bare:\n",
        );
        assert_eq!(model.services, ["web", "db", "cache", "bare"]);
        assert_eq!(model.env_files, ["common.env", "./db.env", "../other.env", "c.env"]);
        assert_eq!(model.project_name("/srv/x"), "demo-shop");
    }

    #[test]
    fn names_of_projects() {
        let name = |text: &str| read(text).project_name("/srv/My Folder");
        for none in ["", "services: {}", "name:", "name: ~", "name: ${A}", "name: a-$B", "name: '...'", "name: [a]"] {
            assert_eq!(name(none), "myfolder", "{none}");
        }
        assert_eq!(name("name: ${COMPOSE_PROJECT_NAME:-shop}"), "shop");
        assert_eq!(name("name: 12"), "12");
        assert_eq!(name("name: Shop"), "shop");
    }

    #[test]
    fn what_is_odd_has_no_services() {
        for text in ["", "[]", "7", "services:", "services: [a]", "services: web", "a: 1\n---\nb: 2", "version: '3'"] {
            assert_eq!(read(text).services, [""; 0], "{text}");
        }
        assert_eq!(read("services: {a: 1}\n---\nservices: {b: [], a: {}}\n").services, ["a", "b"]);
        assert_eq!(read("x: &s {a: {}, b: {}}\nservices: *s\n").services, ["a", "b"]);
        let many = (0..600).fold("services:\n".to_owned(), |text, n| format!("{text}  s{n}: {{}}\n"));
        assert_eq!(read(&many).services.len(), MAX_SERVICES);
    }

    proptest! {
        #[test]
        fn services_come_back(names in prop::collection::btree_set("[a-z][a-z0-9_.-]{0,12}", 0..20)) {
            // "null" and its like are texts as keys, too.
            let names: Vec<String> = names.into_iter().rev().collect();
            let text = names.iter().fold("services:\n".to_owned(), |text, name| format!("{text}  {name}:\n    image: x\n"));
            prop_assert_eq!(read(&text).services, names);
        }
    }
}
