// Measured: which cases state what was seen on a card, and which a guess.
#pragma once

namespace gmemfs::conformance {

/// First line of a case whose answers are not yet measured on a card: <cuda.h>'s words, or our best guess. When it
/// fails on one, the message shows what the card said, and the simulator is wrong.
void not_yet_measured();
int count_of_not_yet_measured();

} // namespace gmemfs::conformance
