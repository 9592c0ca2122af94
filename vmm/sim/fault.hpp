// Fault: the plan that makes driver calls fail, or be slow, on demand.
//
//     cuMemCreate#3=OUT_OF_MEMORY      the third call fails, once
//     cuMemCreate#3+=OUT_OF_MEMORY     it and every later one
//     cuMemcpyDtoHAsync%0.01=ECC_UNCORRECTABLE    each with this probability, from the seed
//     cuStreamSynchronize~5ms          every call takes this much longer
//     *#7=NOT_PERMITTED                the seventh call of any function but those that give something back
//     seed=42                          of the probabilities; 1 where none is named
//
// Several, with ';' between. Calls are counted from when the plan was set. "@PATH": whatever plan a file of that name
// holds once it is there; the first process that finds it, in a call with a context, removes it, and no other has it.
#pragma once

#include <cuda.h>

#include <string>

namespace gmemfs::sim {

/// Replaces the plan and starts counting anew. False, with `why`, where it can't be understood: nothing is changed
/// then.
bool set_plan(const std::string &plan, std::string &why);
/// "@PATH": before the process makes its first call.
void watch_for_plan(const std::string &path);
/// Sets the plan that has come to lie there, if one has.
void take_watched_plan();
/// Counts a call of `function`, waits as planned, and says what it is to fail with; CUDA_SUCCESS for nothing.
CUresult planned_fault(const char *function);
/// Calls since the plan was set, of what "*" stands for.
unsigned long call_count();
/// Whether a context is lost after this result, as on a card.
bool is_sticky(CUresult result);

} // namespace gmemfs::sim
