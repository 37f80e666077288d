//! Values that stand in one of two places: in the recipe, where they were derived, or under `observed`,
//! where the published artifact told them.

use std::ops::Range;

use super::super::ComponentError;
use super::super::check::Located;

/// Where values of one recipe were found.
pub(super) struct Places<'a> {
    located: &'a Located,
    /// The recipe's table.
    at: Range<usize>,
    /// Names of what stood under `observed`.
    pub(super) observed: Vec<String>,
}

impl<'a> Places<'a> {
    pub(super) fn new(located: &'a Located, at: Range<usize>) -> Self {
        Self { located, at, observed: Vec::new() }
    }

    /// A value, where it is given at all.
    pub(super) fn one<'v, T>(
        &mut self,
        name: &str,
        derived: Option<&'v T>,
        observed: Option<&'v T>,
    ) -> Result<Option<&'v T>, ComponentError> {
        match (derived, observed) {
            (Some(_), Some(_)) => {
                let detail = format!("`{name}` is given in the recipe and under `observed`");
                let remedy = "keep it under `observed` where the artifact told it, else in the recipe";
                Err(self.located.error(self.at.clone(), detail, remedy))
            }
            (None, Some(value)) => {
                self.observed.push(name.to_owned());
                Ok(Some(value))
            }
            (derived, None) => Ok(derived),
        }
    }

    /// A value that a recipe must have.
    pub(super) fn needed<'v, T>(
        &mut self,
        name: &str,
        derived: Option<&'v T>,
        observed: Option<&'v T>,
    ) -> Result<&'v T, ComponentError> {
        let found = self.one(name, derived, observed)?;
        found.ok_or_else(|| {
            let detail = format!("`{name}` is not given");
            let remedy = "write it in the recipe, or under `observed` where the artifact told it";
            self.located.error(self.at.clone(), detail, remedy)
        })
    }
}
