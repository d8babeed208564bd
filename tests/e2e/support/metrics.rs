//! The Prometheus text format, as far as the tests ask.

use std::collections::{BTreeMap, BTreeSet};

/// One scrape: each series with its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    series: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Metrics {
    pub(crate) fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { series: lines.map(series).collect() }
    }

    /// The sum of the series of that name whose labels include these.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|(_, _, value)| value).sum()
    }

    /// The one series with that name and these labels among its own, if it is there.
    pub(crate) fn only(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut matching = self.matching(name, labels);
        let first = matching.next().map(|(_, _, value)| *value);
        assert!(matching.next().is_none(), "more than one {name} with {labels:?}");
        first
    }

    /// The names of all series.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.series.iter().map(|(name, ..)| name.as_str()).collect()
    }

    /// The labels of the first series of that name.
    pub(crate) fn labels(&self, name: &str) -> Option<Vec<&str>> {
        let (_, labels, _) = self.series.iter().find(|(series, ..)| series == name)?;
        Some(labels.keys().map(String::as_str).collect())
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.series.len()
    }

    fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a (String, BTreeMap<String, String>, f64)> {
        self.series.iter().filter(move |(series, own, _)| {
            series == name
                && labels.iter().all(|(label, value)| own.get(*label).is_some_and(|own| own == value))
        })
    }
}

fn series(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line:?}"));
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').unwrap_or_else(|| panic!("no labels: {line:?}"));
    // None of our label values holds a comma or a quote.
    let labels = labels.split(',').filter(|label| !label.is_empty()).map(|label| {
        let (label, value) = label.split_once("=\"").unwrap_or_else(|| panic!("no label: {line:?}"));
        (label.to_owned(), value.trim_end_matches('"').to_owned())
    });
    (name.to_owned(), labels.collect(), value.parse().unwrap())
}
