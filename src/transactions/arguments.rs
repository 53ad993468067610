//! What the command line says.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::action::arguments::UsageError;
use crate::action::standard::{self, Standard, Trusted};
use crate::http::{Address, Trust};
use crate::port::Unfit;
use crate::settlement::Services;

/// docopt's values.
#[derive(Debug, Deserialize)]
pub struct Arguments {
    cmd_get: bool,
    pub(super) arg_standard: Standard,
    pub(super) flag_queue: Address,
    pub(super) flag_bank: Option<String>,
    pub(super) flag_issuer: String,
    pub(super) flag_limit: Option<String>,
    flag_services: Option<SecretString>,
    arg_trusted: Trusted,
}

impl Arguments {
    /// Whether it only looks.
    #[must_use]
    pub fn looks(&self) -> bool {
        self.cmd_get
    }

    pub(super) fn trust(&self) -> Trust {
        self.arg_trusted.trust()
    }

    /// The services; none where nothing is said of them.
    ///
    /// # Errors
    /// When they are described wrongly.
    pub(super) fn services(&self) -> Result<Option<Services>, Unfit> {
        let text = self.flag_services.as_ref().map(|text| text.expose_secret().trim()).filter(|text| !text.is_empty());
        text.map(Services::read).transpose()
    }

    /// How many transactions at most; none for all.
    ///
    /// # Errors
    /// When it is no such number.
    pub(super) fn limit(&self) -> Result<Option<usize>, UsageError> {
        standard::limit("--limit", self.flag_limit.as_deref(), "transactions")
    }
}
