//! The figures of some rounds as one.

/// Their median, the lowest and the highest.
pub(crate) struct Spread {
    median: f64,
    lowest: f64,
    highest: f64,
}

impl Spread {
    /// Of at least one.
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_unstable_by(f64::total_cmp);
        Self { median: figures[figures.len() / 2], lowest: figures[0], highest: figures[figures.len() - 1] }
    }

    pub(crate) fn show(&self, places: usize) -> String {
        let Self { median, lowest, highest } = self;
        format!("{median:.places$} [{lowest:.places$}..{highest:.places$}]")
    }
}
