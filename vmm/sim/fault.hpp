// Fault: the plan that makes driver calls fail, or be slow, on demand.
//
//     cuMemCreate#3=OUT_OF_MEMORY      the third call fails, once
//     cuMemCreate#3+=OUT_OF_MEMORY     it and every later one
//     cuMemcpyDtoHAsync%0.01=ECC_UNCORRECTABLE    each with this probability, from the seed
//     cuStreamSynchronize~5ms          every call takes this much longer
//     *#7=NOT_PERMITTED                the seventh call of any function but those that give something back
//     cuMemCreate@2#3=UNKNOWN          the third call that is about device 2
//     *@2#5+=ECC_UNCORRECTABLE         device 2 is lost from its fifth call on, to every process of the machine,
//     *@2#1+=SUCCESS                   until a plan says that it is back: with the next
//                                      call of whoever has that plan, whatever the call is about
//     seed=42                          of the probabilities; 1 where none is named
//
// Several, with ';' between. Calls are counted from when the plan was set. "@PATH": whatever plan a file of that name
// holds once it is there; the first process that finds it, in a call with a context, removes it, and no other has it.
#pragma once

#include "vmm/sim/machine.hpp"

#include <cuda.h>

#include <cstdint>
#include <optional>
#include <string>

namespace gmemfs::sim {

/// Replaces the plan and starts counting anew. False, with `why`, where it can't be understood: nothing is changed
/// then.
bool set_plan(const std::string &plan, std::string &why);
/// "@PATH": before the process makes its first call.
void watch_for_plan(const std::string &path);
/// Sets the plan that has come to lie there, if one has.
void take_watched_plan();
/// Counts a call of `function` about `device` (none: about no device, or all), waits as planned, and says what it is to
/// fail with; CUDA_SUCCESS for nothing. A device that the plan loses is lost to all of `machine`.
CUresult planned_fault(const char *function, std::optional<std::uint32_t> device, Machine &machine);
/// Calls since the plan was set, of what "*" stands for.
unsigned long call_count();
/// Whether a context is lost after this result, as on a card.
bool is_sticky(CUresult result);

} // namespace gmemfs::sim
