//! Named numbers, and what is made of several measurements of one thing. Nothing is measured here.

use std::collections::BTreeMap;

/// The figures of a run by name. Names end in their unit: `_us`, `_ms`, `_kib`, `_rps`, `_ratio`; then what they depend on.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<String, f64>);

impl Figures {
    pub(crate) fn set(&mut self, name: impl Into<String>, value: f64) {
        // Three places are more than any of these measurements is good for.
        self.0.insert(name.into(), (value * 1000.0).round() / 1000.0);
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name).copied()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_str(), *value))
    }

    /// The numbers behind a prefix, in order: of `a_rps_1` and `a_rps_32`, 1 and 32.
    pub(crate) fn suffixes(&self, prefix: &str) -> Vec<u32> {
        let mut found: Vec<u32> = self
            .0
            .keys()
            .filter_map(|name| name.strip_prefix(prefix)?.parse().ok())
            .collect();
        found.sort_unstable();
        found
    }

    /// Takes over what another process printed with [`Figures::json`].
    pub(crate) fn extend(&mut self, json: &[u8]) -> serde_json::Result<()> {
        self.0
            .extend(serde_json::from_slice::<BTreeMap<String, f64>>(json)?);
        Ok(())
    }

    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(&self.0)
    }
}

/// The middle one; of an even number, the lower of the two.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The smallest value that is not exceeded by `percent` of all (nearest rank); 0 of none.
pub(crate) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(percentile(&values, 50.0), 100.0);
        assert_eq!(percentile(&values, 99.0), 198.0);
        assert_eq!(percentile(&values, 100.0), 200.0);
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn figures_of_another_process_are_taken_over() {
        let mut theirs = Figures::default();
        theirs.set("a_us", 1.23456);
        let mut ours = Figures::default();
        ours.extend(theirs.json().expect("json").as_bytes())
            .expect("figures");
        assert_eq!(ours.get("a_us"), Some(1.235));
        assert_eq!(ours.get("b_us"), None);
    }
}
