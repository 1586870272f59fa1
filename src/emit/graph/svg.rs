//! The picture as SVG: drawn here, with no other program, script, font or file.
//!
//! Chains stand in columns along the way of packets ([`layers`]); relations between rules of one chain
//! run beside its rules like the rails of a map ([`rails`]). All numbers are whole pixels, so that the same
//! policy gives the same bytes. Light or dark is the reader's choice; whoever points at something is
//! told about it.

mod draw;
mod layers;
mod measure;
mod rails;

use super::picture::{Arrow, ArrowKind, Picture};

use draw::Drawing;
use layers::{Link, Placed, Port, Size};
use measure::Measured;

/// A whole document.
pub(super) fn svg(picture: &Picture) -> String {
    let measured: Vec<Measured> = (0..picture.boxes.len())
        .map(|number| Measured::of(&picture.boxes[number], rails::lanes(picture, number)))
        .collect();
    let (links, arrows) = links(picture);
    let sizes: Vec<Size> = picture
        .boxes
        .iter()
        .zip(&measured)
        .map(|(one, measured)| Size {
            width: measured.width,
            height: measured.height,
            stage: one.stage,
        })
        .collect();
    let placed = layers::place(&sizes, &links);
    draw(picture, &measured, &placed, &arrows)
}

/// The arrows from box to box, as the layout sees them, and the arrows themselves.
fn links(picture: &Picture) -> (Vec<Link>, Vec<&Arrow>) {
    let between = picture.arrows.iter().filter(|arrow| arrow.from.chain != arrow.to.chain);
    let arrows: Vec<&Arrow> = between.collect();
    let link = |arrow: &&Arrow| {
        let [from, to] =
            [arrow.from, arrow.to].map(|end| Port { at: end.chain, y: measure::port(end.row) });
        let leads_on = match arrow.kind {
            ArrowKind::Way | ArrowKind::Jump | ArrowKind::Goto => true,
            ArrowKind::Hides | ArrowKind::Conflicts | ArrowKind::Excepts | ArrowKind::DependsOn => {
                false
            }
        };
        Link { from, to, leads_on }
    };
    (arrows.iter().map(link).collect(), arrows)
}

fn draw(picture: &Picture, measured: &[Measured], placed: &Placed, arrows: &[&Arrow]) -> String {
    let mut drawing = Drawing::new(picture, placed.width, placed.height);
    // Below the boxes, so that what crosses one does not hide its words.
    for (arrow, route) in arrows.iter().zip(&placed.routes) {
        drawing.route(arrow, route);
    }
    for ((one, measured), at) in picture.boxes.iter().zip(measured).zip(&placed.boxes) {
        drawing.chain(one, measured, *at);
    }
    for (number, (measured, at)) in measured.iter().zip(&placed.boxes).enumerate() {
        for rail in rails::rails(picture, number) {
            drawing.rail(&rail, measured, *at);
        }
    }
    drawing.finish(picture)
}
