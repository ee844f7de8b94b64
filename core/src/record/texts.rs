//! Files that people wrote, without the values of their variables: line by line, and every line as long as before.

use super::placeholder::Placeholders;
use super::redact::variable;

/// A file of lines such as `KEY=value`.
pub(super) fn env_file(placeholders: &mut Placeholders, text: &str) -> String {
    each_line(text, |line| match line.split_once('=') {
        Some((name, value)) if !line.trim_start().starts_with('#') => format!("{name}={}", hide(placeholders, value)),
        // In the middle of a value of several lines, perhaps.
        _ => hide(placeholders, line),
    })
}

/// A Compose file: what stands below or behind an `environment`, and behind what sounds like a secret.
pub(super) fn compose(placeholders: &mut Placeholders, text: &str) -> String {
    let mut inside = None;
    each_line(text, |line| {
        let indent = line.len() - line.trim_start().len();
        let content = line.trim_start();
        if content.is_empty() {
            return line.to_owned();
        }
        // A list may stand as deep as what it belongs to.
        if inside.is_some_and(|outer| indent > outer || (indent == outer && content.starts_with('-'))) {
            return environment(placeholders, line);
        }
        inside = None;
        match line.split_once(':') {
            Some((key, rest)) if key.trim() == "environment" => {
                inside = Some(indent);
                // An inline map or list: as a whole, since it has no lines.
                let rest_is_value = !rest.trim().is_empty() && !rest.trim_start().starts_with(['#', '&']);
                if rest_is_value { format!("{key}:{}", hide(placeholders, rest)) } else { line.to_owned() }
            }
            Some((key, rest)) if is_secret(key) => format!("{key}:{}", hide(placeholders, rest)),
            _ => line.to_owned(),
        }
    })
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "token", "secret_key", "api_key"].iter().any(|word| key.contains(word))
}

/// `- KEY=value` or `KEY: value`
fn environment(placeholders: &mut Placeholders, line: &str) -> String {
    let content = line.trim_start().trim_start_matches("- ");
    let before = &line[..line.len() - content.len()];
    match (content.find('='), content.find(": ")) {
        (Some(equals), colon) if colon.is_none_or(|colon| equals < colon) => {
            let quote = if content.starts_with(['"', '\'']) { &content[..1] } else { "" };
            let inner = content.trim_start_matches(quote);
            let inner = inner.strip_suffix(quote).unwrap_or(inner);
            // YAML takes the letters of a placeholder for what they are, with quotes and without.
            let closing = &content[quote.len() + inner.len()..];
            format!("{before}{quote}{}{closing}", variable(placeholders, inner))
        }
        (_, Some(colon)) => format!("{before}{}: {}", &content[..colon], hide(placeholders, &content[colon + 2..])),
        // `KEY` alone, or `KEY:`, has no value; anything else is a part of one.
        _ if content.ends_with(':') || content.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => {
            line.to_owned()
        }
        _ => format!("{before}{}", hide(placeholders, content)),
    }
}

/// Blanks around it stay.
fn hide(placeholders: &mut Placeholders, text: &str) -> String {
    let secret = text.trim();
    if secret.is_empty() {
        return text.to_owned();
    }
    let from = text.len() - text.trim_start().len();
    format!("{}{}{}", &text[..from], placeholders.of(secret), &text[from + secret.len()..])
}

fn each_line(text: &str, mut change: impl FnMut(&str) -> String) -> String {
    text.split_inclusive('\n')
        .map(|line| match line.strip_suffix('\n') {
            Some(line) => change(line) + "\n",
            None => change(line),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_env_files_the_names_are_left() {
        let hidden =
            env_file(&mut Placeholders::new(1), "# the key swordfish\nA=swordfish\nexport B = \"swordfish\"\nrest\n\n");
        assert!(!hidden.contains("swordfish") && !hidden.contains("rest"), "{hidden}");
        assert!(hidden.contains("\nA=") && hidden.contains("\nexport B = ") && hidden.ends_with("\n\n"), "{hidden}");
    }

    #[test]
    fn of_compose_files_all_but_values_is_left() {
        let text = concat!(
            "services:\n  web:\n    image: shop/web:2\n    environment:\n      A: swordfish\n      \"B\": 'swordfish'\n",
            "    env_file: web.env\n  db:\n    environment:\n    - C=swordfish\n    - \"D=swordfish\"\n    - E\n",
            "    image: db\n  x:\n    environment: {F: swordfish}\n    volumes: [data:/data]\n    db_password: swordfish\n",
        );
        let hidden = compose(&mut Placeholders::new(1), text);
        assert!(!hidden.contains("swordfish"), "{hidden}");
        assert_eq!(hidden.lines().count(), text.lines().count());
        for left in
            ["image: shop/web:2", "      A: ", "env_file: web.env", "    - C=", "    - E\n", "volumes: [data:/data]"]
        {
            assert!(hidden.contains(left), "{left} in {hidden}");
        }
        let model = crate::compose::Model::read(&hidden);
        assert!(model.is_ok(), "it can still be read: {hidden}");
    }
}
