//! Where the points of a line are.

/// The most points that are drawn; of more, the lowest and the highest of each stretch are.
pub const MOST_DRAWN: usize = 240;

/// A point: when, in milliseconds since 1970, and how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinePoint {
    /// Which of the values it is.
    pub index: usize,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// How much, roughly.
    pub number: f64,
}

/// The area of a drawing: its sides in units of its own, and what they mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LineArea {
    /// Its width.
    pub width: f64,
    /// Its height.
    pub height: f64,
    /// The time at its left side.
    pub from: i64,
    /// The time at its right side.
    pub to: i64,
    /// The number at its lower side.
    pub low: f64,
    /// The number at its upper side.
    pub high: f64,
    /// What is between two labels of the scale.
    pub step: f64,
}

/// Steps between the labels of a scale, times a power of ten.
const STEPS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

impl LineArea {
    /// Of these sides, with room for all points, between round numbers.
    #[must_use]
    pub fn around(width: f64, height: f64, points: &[LinePoint]) -> Self {
        let numbers = || points.iter().map(|point| point.number);
        let (low, high) =
            (numbers().fold(f64::INFINITY, f64::min), numbers().fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = match low.is_finite() {
            false => (0.0, 1.0),
            // All the same: the line is in the middle.
            true if high <= low => {
                let room = if low == 0.0 { 1.0 } else { low.abs() / 10.0 };
                (low - room, high + room)
            }
            true => (low, high),
        };
        let step = step(high - low);
        let times = || points.iter().map(|point| point.at);
        let (from, to) = (times().min().unwrap_or_default(), times().max().unwrap_or_default());
        Self {
            width,
            height,
            from,
            to,
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
            step,
        }
    }

    /// Where a time is, from the left side.
    #[must_use]
    pub fn x(&self, at: i64) -> f64 {
        let span = self.to.saturating_sub(self.from);
        if span <= 0 {
            return self.width / 2.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "a place on the screen")]
        let share = at.saturating_sub(self.from) as f64 / span as f64;
        share.clamp(0.0, 1.0) * self.width
    }

    /// Where a number is, from the upper side; `None` outside.
    #[must_use]
    pub fn y(&self, number: f64) -> Option<f64> {
        let share = (number - self.low) / (self.high - self.low);
        (0.0..=1.0).contains(&share).then_some((1.0 - share) * self.height)
    }

    /// The labels of the scale, from below: round numbers at the same distance, the first and the last at its ends.
    #[must_use]
    pub fn labels(&self) -> Vec<f64> {
        let labels = (0..12).map(|n| self.low + f64::from(n) * self.step);
        // Adding zero makes one of minus zero.
        labels.take_while(|label| *label <= self.high + self.step / 2.0).map(|label| label + 0.0).collect()
    }
}

/// A round number, of which about four are in this span.
fn step(span: f64) -> f64 {
    let wanted = span / 4.0;
    let power = 10f64.powf(wanted.log10().floor());
    let step = STEPS.iter().map(|step| step * power).find(|step| *step >= wanted);
    step.filter(|step| step.is_finite() && *step > 0.0).unwrap_or(1.0)
}

/// The points that are drawn: all, or the lowest and the highest of each stretch. They are in the order of time.
#[must_use]
pub fn drawn(points: &[LinePoint]) -> Vec<LinePoint> {
    if points.len() <= MOST_DRAWN {
        return points.to_vec();
    }
    let stretch = points.len().div_ceil(MOST_DRAWN / 2);
    let mut drawn = Vec::with_capacity(MOST_DRAWN);
    for part in points.chunks(stretch) {
        let by_number = |one: &&LinePoint, two: &&LinePoint| one.number.total_cmp(&two.number);
        let (low, high) = (part.iter().min_by(by_number), part.iter().max_by(by_number));
        let mut ends: Vec<LinePoint> = low.into_iter().chain(high).copied().collect();
        ends.sort_by_key(|point| point.at);
        ends.dedup();
        drawn.extend(ends);
    }
    drawn
}

/// A label as text, without the digits that only rounding made.
#[must_use]
pub fn label_text(number: f64) -> String {
    if number != 0.0 && (number.abs() >= 1e9 || number.abs() < 1e-4) {
        let text = format!("{number:.3e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", mantissa.trim_end_matches('0').trim_end_matches('.'));
    }
    let text = format!("{number:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(numbers: &[f64]) -> Vec<LinePoint> {
        let point = |(n, number): (usize, &f64)| LinePoint { index: n, at: n as i64 * 1000, number: *number };
        numbers.iter().enumerate().map(point).collect()
    }

    #[test]
    fn areas_and_labels() {
        for (numbers, labels, first_y) in [
            (&[0.0, 100.0][..], "0 50 100", 100.0),
            (&[1.0, 2.0], "1 1.5 2", 100.0),
            (&[-1.0, 1.0], "-1 -0.5 0 0.5 1", 100.0),
            (&[3.0, 97.0], "0 50 100", 97.0),
            (&[5.0], "4.5 5 5.5", 50.0),
            (&[0.0], "-1 -0.5 0 0.5 1", 50.0),
            (&[1e12, 3e12], "1e12 1.5e12 2e12 2.5e12 3e12", 100.0),
            (&[], "0 0.5 1", 100.0),
        ] {
            let area = LineArea::around(200.0, 100.0, &points(numbers));
            let found = area.labels().into_iter().map(label_text).collect::<Vec<_>>().join(" ");
            assert_eq!(found, labels, "{numbers:?}");
            let y = area.y(numbers.first().copied().unwrap_or_default()).unwrap();
            assert!((y - first_y).abs() < 0.1, "{numbers:?}: {y}");
            assert_eq!(area.y(1e20), None);
        }
        let area = LineArea::around(200.0, 100.0, &points(&[1.0, 2.0, 3.0]));
        assert_eq!([0, 1000, 2000, 9000].map(|at| area.x(at)), [0.0, 100.0, 200.0, 200.0]);
        assert_eq!(LineArea::around(200.0, 100.0, &points(&[1.0])).x(0), 100.0, "one point is in the middle");
    }

    #[test]
    fn of_many_points_the_peaks_are_drawn() {
        let mut numbers = vec![1.0; 1000];
        numbers[517] = 99.0;
        numbers[518] = -99.0;
        let drawn = drawn(&points(&numbers));
        assert!(drawn.len() <= MOST_DRAWN, "{}", drawn.len());
        for peak in [99.0, -99.0] {
            assert!(drawn.iter().any(|point| point.number == peak), "{peak}");
        }
        assert!(drawn.is_sorted_by_key(|point| point.at));
        assert_eq!(super::drawn(&points(&[1.0, 2.0])).len(), 2);
    }
}
