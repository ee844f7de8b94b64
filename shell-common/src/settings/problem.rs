//! What can be wrong with the settings, told all at once.

use std::fmt;

/// One thing to set right before the agent can start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A variable's value cannot be read.
    #[error("{name}={value:?} cannot be read: expected {expected}")]
    Value {
        /// The variable.
        name: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        expected: String,
    },
    /// The same where the value is a secret, or can hold one: it is not shown.
    #[error("{name} (not shown, it is or can hold a secret) cannot be read: expected {expected}")]
    Hidden {
        /// The variable, or the file.
        name: String,
        /// What it may say.
        expected: String,
    },
    /// What a variable names cannot be used. The reason holds no secret.
    #[error("{name}={value:?} cannot be used: {reason}")]
    Unusable {
        /// The variable.
        name: &'static str,
        /// What it says, or where it is not set, what was taken in its place.
        value: String,
        /// What is wrong, and with which file.
        reason: String,
    },
    /// The file that holds a secret in a variable's place cannot be used.
    #[error("{name}={path:?} cannot be used: {reason}")]
    File {
        /// The variable, with `_FILE`.
        name: String,
        /// What it says.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A variable that must be set is not.
    #[error("{name} is not set: {hint}")]
    Missing {
        /// The variable.
        name: &'static str,
        /// What to do.
        hint: String,
    },
}

/// All that is wrong with the settings; never empty. The process's exit code is 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct SettingsErrors(pub Vec<Problem>);

impl fmt::Display for SettingsErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0.as_slice() else { return Ok(()) };
        write!(f, "{first}")?;
        rest.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}
