use super::*;

fn size(height: i32) -> Size {
    Size { width: 100, height, stage: 0 }
}

fn link(from: usize, to: usize) -> Link {
    Link { from: Port { at: from, y: 10 }, to: Port { at: to, y: 10 }, leads_on: true }
}

/// Whether boxes overlap.
fn overlap(sizes: &[Size], placed: &Placed) -> bool {
    let boxes: Vec<_> = placed.boxes.iter().zip(sizes).collect();
    boxes.iter().enumerate().any(|(number, ((x, y), size))| {
        boxes[..number].iter().any(|((a, b), other)| {
            x < &(a + other.width)
                && a < &(x + size.width)
                && y < &(b + other.height)
                && b < &(y + size.height)
        })
    })
}

#[test]
fn what_leads_on_leads_to_the_right() {
    let sizes = [size(50), size(200), size(80), size(30), size(90)];
    let links = [link(0, 1), link(0, 2), link(1, 3), link(2, 3), link(0, 3), link(3, 4)];
    let placed = place(&sizes, &links);
    for (link, route) in links.iter().zip(&placed.routes) {
        assert!(placed.boxes[link.from.at].0 + 100 < placed.boxes[link.to.at].0);
        let ends = [link.from, link.to].map(|port| placed.boxes[port.at].1 + port.y);
        assert_eq!([route[0].1, route[route.len() - 1].1], ends);
        assert_eq!(route.len() % 2, 0);
        assert!(route.chunks_exact(2).all(|straight| straight[0].1 == straight[1].1));
    }
    // One passes the column between.
    assert_eq!(placed.routes[4].len(), 6);
    assert!(!overlap(&sizes, &placed));
    let inside =
        |(x, y): &(i32, i32)| (0..=placed.width).contains(x) && (0..=placed.height).contains(y);
    assert!(placed.routes.iter().flatten().all(inside));
}

#[test]
fn arrows_cross_no_more_than_they_must() {
    // Left 0 1 2, right 3 4 5; as given, all cross.
    let sizes = [size(40); 6];
    let links = [link(0, 5), link(1, 4), link(2, 3)];
    let placed = place(&sizes, &links);
    for (number, link) in links.iter().enumerate() {
        for other in &links[..number] {
            let y = |at: usize| placed.boxes[at].1;
            let [left, right] =
                [y(link.from.at) < y(other.from.at), y(link.to.at) < y(other.to.at)];
            assert_eq!(left, right, "{link:?} {other:?}");
        }
    }
}

#[test]
fn what_belongs_together_stands_side_by_side() {
    let sizes = [size(40), size(400), size(40)];
    let placed = place(&sizes, &[link(0, 1), link(1, 2)]);
    assert!(placed.boxes.iter().all(|(_, y)| *y == placed.boxes[0].1), "{placed:?}");
}

#[test]
fn links_back_and_within_a_column_have_a_way() {
    let sizes = [size(40), size(40), size(40)];
    let back = Link { from: Port { at: 1, y: 5 }, to: Port { at: 0, y: 9 }, leads_on: false };
    let within = Link { from: Port { at: 0, y: 5 }, to: Port { at: 2, y: 9 }, leads_on: false };
    let placed = place(&sizes, &[link(0, 1), back, within]);
    assert_eq!(placed.routes[1][0].0, placed.boxes[1].0);
    assert_eq!(placed.routes[1][3].0, placed.boxes[0].0 + 100);
    assert_eq!(placed.routes[2].len(), 4);
    assert!(placed.routes[2].iter().all(|(x, _)| *x == 100));
}

#[test]
fn nothing_is_placed_as_nothing() {
    assert_eq!(
        place(&[], &[]),
        Placed { boxes: Vec::new(), routes: Vec::new(), width: 0, height: 0 }
    );
    // Rings cannot be, and do no harm.
    let placed = place(&[size(10), size(10)], &[link(0, 1), link(1, 0)]);
    assert_eq!(placed.boxes.len(), 2);
}
