//! Where the nodes of a graph are: in layers from left to right, so that what leads to what goes the same way; in each
//! layer near what leads there.

use std::collections::VecDeque;

/// Sizes in units of the picture.
pub(super) const WIDTH: i64 = 190;
pub(super) const HEIGHT: i64 = 58;
pub(super) const GAP: i64 = 18;
/// From one layer to the next.
pub(super) const STEP: i64 = WIDTH + 70;
/// How high the room is that an edge has where it passes a layer.
const PASS: i64 = 10;
/// The room for what goes around.
const AROUND: i64 = 60;
/// How often layers are sorted by their neighbours.
const SWEEPS: usize = 4;

/// An edge of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LayoutEdge {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// A point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) x: i64,
    pub(super) y: i64,
}

/// Where everything is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The upper left corner of each node.
    pub(super) nodes: Vec<Point>,
    /// The points of each edge, from its beginning to its end. An edge that leads back has only these two.
    pub(super) edges: Vec<Vec<Point>>,
    pub(super) size: Point,
}

/// Something in a layer: a node, or an edge that passes.
struct Placed {
    layer: usize,
    height: i64,
    y: i64,
    before: Vec<usize>,
    after: Vec<usize>,
}

/// The layout of a graph; `least[n]` is the first layer in which node n may be.
pub(super) fn layout(least: &[usize], edges: &[LayoutEdge]) -> Layout {
    let back = back_edges(least.len(), edges);
    let layers = layers_of(least, edges, &back);
    let node = |layer: &usize| Placed { layer: *layer, height: HEIGHT, y: 0, before: vec![], after: vec![] };
    let mut placed: Vec<Placed> = layers.iter().map(node).collect();
    let mut ways: Vec<Vec<usize>> = Vec::new();
    for (edge, is_back) in edges.iter().zip(&back) {
        let mut way = vec![edge.from];
        if !is_back {
            for layer in layers[edge.from] + 1..layers[edge.to] {
                placed.push(Placed { height: PASS, ..node(&layer) });
                way.push(placed.len() - 1);
            }
        }
        way.push(edge.to);
        if !is_back {
            for pair in way.windows(2) {
                placed[pair[0]].after.push(pair[1]);
                placed[pair[1]].before.push(pair[0]);
            }
        }
        ways.push(way);
    }
    place(&mut placed);
    let corner = |place: usize| Point { x: placed[place].layer as i64 * STEP, y: placed[place].y };
    let points = |way: &Vec<usize>| {
        let last = way.len() - 1;
        let point = |(n, place): (usize, &usize)| {
            let Point { x, y } = corner(*place);
            let x = if n == 0 {
                x + WIDTH
            } else if n == last {
                x
            } else {
                x + WIDTH / 2
            };
            Point { x, y: y + placed[*place].height / 2 }
        };
        way.iter().enumerate().map(point).collect()
    };
    let bottom = placed.iter().map(|one| one.y + one.height).max().unwrap_or(0);
    let is_far = |edge: &LayoutEdge| layers[edge.from] > layers[edge.to] + 1;
    let has_back = back.contains(&true);
    let has_far = edges.iter().zip(&back).any(|(edge, back)| *back && is_far(edge));
    let right = layers.iter().max().map_or(0, |layer| *layer as i64 * STEP + WIDTH);
    Layout {
        nodes: (0..least.len()).map(corner).collect(),
        edges: ways.iter().map(points).collect(),
        // What leads back goes around, beside, and below where it is not near.
        size: Point {
            x: right + if has_back { AROUND } else { 0 },
            y: bottom + if has_far { AROUND } else { 0 },
        },
    }
}

/// Which edges lead back to where one can come from.
fn back_edges(count: usize, edges: &[LayoutEdge]) -> Vec<bool> {
    let mut leaving: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (n, edge) in edges.iter().enumerate() {
        leaving[edge.from].push(n);
    }
    let mut back = vec![false; edges.len()];
    // Not seen, on the way, done.
    let mut state = vec![0_u8; count];
    for start in 0..count {
        let mut way: Vec<(usize, usize)> = Vec::new();
        if state[start] == 0 {
            state[start] = 1;
            way.push((start, 0));
        }
        while let Some((node, next)) = way.last_mut() {
            let Some(edge) = leaving[*node].get(*next) else {
                state[*node] = 2;
                way.pop();
                continue;
            };
            *next += 1;
            let to = edges[*edge].to;
            match state[to] {
                0 => {
                    state[to] = 1;
                    way.push((to, 0));
                }
                1 => back[*edge] = true,
                _ => {}
            }
        }
    }
    back
}

/// The layer of each node: behind all that lead to it.
fn layers_of(least: &[usize], edges: &[LayoutEdge], back: &[bool]) -> Vec<usize> {
    let mut layers = least.to_vec();
    let mut leaving: Vec<Vec<usize>> = vec![Vec::new(); least.len()];
    let mut waits = vec![0_usize; least.len()];
    for edge in edges.iter().zip(back).filter(|(_, back)| !**back).map(|(edge, _)| edge) {
        leaving[edge.from].push(edge.to);
        waits[edge.to] += 1;
    }
    let mut ready: VecDeque<usize> = (0..least.len()).filter(|node| waits[*node] == 0).collect();
    while let Some(node) = ready.pop_front() {
        for to in &leaving[node] {
            layers[*to] = layers[*to].max(layers[node] + 1);
            waits[*to] -= 1;
            if waits[*to] == 0 {
                ready.push_back(*to);
            }
        }
    }
    layers
}

/// Sorts each layer by its neighbours, and gives everything its height.
fn place(placed: &mut [Placed]) {
    let count = placed.iter().map(|one| one.layer + 1).max().unwrap_or(0);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (n, one) in placed.iter().enumerate() {
        layers[one.layer].push(n);
    }
    layers.iter().for_each(|layer| stack(placed, layer));
    for sweep in 0..SWEEPS {
        let is_forward = sweep % 2 == 0;
        let order: Vec<usize> = if is_forward { (0..count).collect() } else { (0..count).rev().collect() };
        for layer in order {
            let wanted: Vec<i64> = layers[layer].iter().map(|n| wanted(placed, *n, is_forward)).collect();
            let mut sorted: Vec<(i64, usize)> =
                wanted.into_iter().zip(layers[layer].iter().copied()).collect();
            sorted.sort_by_key(|(wanted, _)| *wanted);
            layers[layer] = sorted.iter().map(|(_, n)| *n).collect();
            near(placed, &sorted);
        }
    }
    close_bands(placed);
}

/// Begins at the top, and leaves no more room than a gap where nothing is in any layer.
fn close_bands(placed: &mut [Placed]) {
    let mut order: Vec<usize> = (0..placed.len()).collect();
    order.sort_unstable_by_key(|n| placed[*n].y);
    let (mut up, mut bottom) = (None, -GAP);
    for n in order {
        let one = &mut placed[n];
        let up = up.get_or_insert(one.y);
        // Something lower must not come higher than there is room below all that is above it.
        *up = (*up).max(one.y - bottom - GAP);
        one.y -= *up;
        bottom = bottom.max(one.y + one.height);
    }
}

fn stack(placed: &mut [Placed], layer: &[usize]) {
    let mut y = 0;
    for n in layer {
        placed[*n].y = y;
        y += placed[*n].height + GAP;
    }
}

/// Where a node would be without others in its layer: in the middle of its neighbours.
fn wanted(placed: &[Placed], n: usize, is_forward: bool) -> i64 {
    let one = &placed[n];
    let neighbours = if is_forward { &one.before } else { &one.after };
    if neighbours.is_empty() {
        return one.y;
    }
    let middles = neighbours.iter().map(|near| placed[*near].y + placed[*near].height / 2);
    middles.sum::<i64>() / neighbours.len() as i64 - one.height / 2
}

/// Places a layer, whose order is given, as near as there is room to where each wants to be.
fn near(placed: &mut [Placed], sorted: &[(i64, usize)]) {
    let mut least = i64::MIN;
    let mut moved = 0;
    for (wanted, n) in sorted {
        placed[*n].y = (*wanted).max(least);
        moved += placed[*n].y - wanted;
        least = placed[*n].y + placed[*n].height + GAP;
    }
    // They were only moved down: all go up by what that is on average.
    let up = moved / (sorted.len().max(1) as i64);
    sorted.iter().for_each(|(_, n)| placed[*n].y -= up);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(of: &[[usize; 2]]) -> Vec<LayoutEdge> {
        of.iter().map(|[from, to]| LayoutEdge { from: *from, to: *to }).collect()
    }

    #[test]
    fn layers_go_from_left_to_right() {
        // The least layers, the edges; the layer of each node, and which edges lead back.
        type Case<'a> = (&'a [usize], &'a [[usize; 2]], &'a [usize], &'a [usize]);
        let cases: [Case<'_>; 6] = [
            (&[], &[], &[], &[]),
            (&[0, 1, 2], &[[0, 1], [1, 2]], &[0, 1, 2], &[]),
            (&[0, 1, 2, 1, 2], &[[0, 1], [1, 2], [2, 3], [3, 4]], &[0, 1, 2, 3, 4], &[]),
            // A router that its own jobs start again.
            (&[1, 2], &[[0, 1], [1, 0]], &[1, 2], &[1]),
            (&[0, 0, 0], &[[0, 1], [1, 2], [2, 0], [0, 2]], &[0, 1, 2], &[2]),
            (&[0], &[[0, 0]], &[0], &[0]),
        ];
        for (least, given, expected, back) in cases {
            let edges = edges(given);
            let found = layout(least, &edges);
            let layers: Vec<usize> =
                found.nodes.iter().map(|node| usize::try_from(node.x / STEP).unwrap()).collect();
            assert_eq!(layers, expected, "{given:?}");
            let is_back: Vec<usize> = back_edges(least.len(), &edges)
                .iter()
                .enumerate()
                .filter(|(_, back)| **back)
                .map(|(n, _)| n)
                .collect();
            assert_eq!(is_back, back, "{given:?}");
        }
    }

    #[test]
    fn nothing_overlaps_and_long_edges_pass_between() {
        let mut given = vec![[0, 1], [1, 2], [0, 2]];
        for n in 3..40 {
            given.push([n % 3, n]);
            given.push([n, 40 + n % 5]);
        }
        let edges = edges(&given);
        let found = layout(&[0; 45], &edges);
        for (n, one) in found.nodes.iter().enumerate() {
            assert!(
                one.x >= 0 && one.y >= 0 && one.x + WIDTH <= found.size.x && one.y + HEIGHT <= found.size.y
            );
            for other in &found.nodes[..n] {
                assert!(one.x != other.x || (one.y - other.y).abs() >= HEIGHT + GAP, "{one:?} {other:?}");
            }
        }
        assert_eq!(found.edges[2].len(), 3, "it passes one layer");
    }

    #[test]
    fn no_band_is_left_empty() {
        // Two triggers with many routers each, and routers of no trigger that is shown.
        let mut given = Vec::new();
        for n in 0..24 {
            given.push([n / 12, 2 + n]);
        }
        let mut least = vec![0; 2];
        least.extend([1; 24]);
        least.extend([1; 3]);
        let found = layout(&least, &edges(&given));
        let mut tops: Vec<i64> = found.nodes.iter().map(|node| node.y).collect();
        tops.sort_unstable();
        assert_eq!(tops[0], 0);
        let empty = tops.windows(2).map(|pair| pair[1] - pair[0] - HEIGHT).max();
        assert!(empty.is_some_and(|empty| empty <= GAP), "{tops:?}");
    }

    #[test]
    fn many_nodes_take_little_time() {
        let given: Vec<[usize; 2]> = (0..2000).map(|n| [n % 200, 200 + n % 400]).collect();
        let begin = std::time::Instant::now();
        layout(&[0; 600], &edges(&given));
        assert!(begin.elapsed() < std::time::Duration::from_secs(5), "{:?}", begin.elapsed());
    }
}
