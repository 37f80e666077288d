//! A bounded disassembly of changed x86 code, with context, on request.

use iced_x86::{Decoder, DecoderOptions, Formatter as _, GasFormatter, Instruction};

use super::super::super::walk::Walk;
use super::One;

/// Places that are shown.
const PLACES_MAX: usize = 8;
/// Bytes decoded at each place: some 250 instructions.
const WINDOW_BYTES: usize = 1024;
/// Instructions shown before and after a change.
const CONTEXT: usize = 3;

/// Lines with signs for each place: an offset into each side's section.
pub(super) fn hunks(walk: &Walk<'_>, a: One<'_>, b: One<'_>, places: &[(u64, u64)]) -> Vec<String> {
    let bits = match a.0.machine {
        62 => 64,
        3 => 32,
        _ => return vec![" no disassembler for this machine".to_owned()],
    };
    let mut out = Vec::new();
    for (at, to) in places.iter().take(PLACES_MAX) {
        if walk.budget.diff_work(1).is_err() {
            break;
        }
        let (x, y) = (decode(a, *at, bits), decode(b, *to, bits));
        let same = x.iter().zip(&y).take_while(|(p, q)| p.1 == q.1).count();
        let from = same.saturating_sub(CONTEXT);
        out.push(format!("@ {:#x}", a.1.address.wrapping_add(*at)));
        let shown = |list: &[(u64, String)], from: usize, n: usize| {
            list.iter().skip(from).take(n).cloned().collect::<Vec<_>>()
        };
        out.extend(shown(&x, from, same - from).into_iter().map(|(ip, text)| format!(" {ip:x}: {text}")));
        let tail = x.iter().rev().zip(y.iter().rev()).take_while(|(p, q)| p.1 == q.1).count();
        let changed = |list: &[(u64, String)]| list.len().saturating_sub(same + tail).clamp(1, 12);
        out.extend(shown(&x, same, changed(&x)).into_iter().map(|(ip, text)| format!("-{ip:x}: {text}")));
        out.extend(shown(&y, same, changed(&y)).into_iter().map(|(ip, text)| format!("+{ip:x}: {text}")));
        let after = shown(&x, same + changed(&x), CONTEXT);
        out.extend(after.into_iter().map(|(ip, text)| format!(" {ip:x}: {text}")));
    }
    out
}

fn decode((_, section, body): One<'_>, at: u64, bits: u32) -> Vec<(u64, String)> {
    let Ok(bytes) = body.slice(at, WINDOW_BYTES as u64).head(WINDOW_BYTES) else { return Vec::new() };
    let mut decoder = Decoder::with_ip(bits, &bytes, section.address.wrapping_add(at), DecoderOptions::NONE);
    let mut formatter = GasFormatter::new();
    let mut instruction = Instruction::default();
    let mut found = Vec::new();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        let mut text = String::new();
        formatter.format(&instruction, &mut text);
        found.push((instruction.ip(), text));
    }
    found
}
