// Roles: what a child process of the suite does. Each talks over kChildSocket and says how each step was answered.
#pragma once

#include <string>
#include <vector>

namespace gmemfs::conformance {

/// Plays a role and returns the exit status: 0, or 2 where there is no such role.
int play(const std::string &role, const std::vector<std::string> &arguments);

// Steps of the roles, as places in Message::results.

/// `creator TYPES SEED PLACE`: makes memory of two granules, of the host where PLACE is "host", fills it with the
/// pattern of SEED (0: doesn't, and makes no context), exports what it can, sends all. Then, for each message: reads
/// the memory and answers with `number` 1 where it holds the pattern of the message's `number`; releases the memory
/// where the message's `size` is 1.
enum class CreatorStep { init, create, export_descriptor, export_fabric, release };
/// `importer`: for the message with a handle, imports it, maps it, and checks it for the pattern of `number`; answers
/// with `number` 1 where it is there. Then, for each message: fills the memory with the pattern of `number`.
enum class ImporterStep { init, import, map, access, export_descriptor, export_fabric, retain, export_retained };
/// `legacy SEED`: makes plain memory of two granules, fills it with the pattern of SEED, sends its legacy handle in
/// `fabric`, opens that itself, and asks for one of memory that cuMemCreate has made. Then, for each message: as
/// `creator` does.
enum class LegacyStep { init, allocate, export_handle, open_own, export_created, release };
/// `uninitialised`: calls before cuInit.
enum class EarlyStep { version, count_devices, create, release, reserve, copy, current_context };
/// `garbage CASE`: gives the driver what no driver made; the answer is step 0.
/// `copy CASE`: copies where it may not. Steps: enqueue, synchronise.
/// `load CASE`: loads a byte of host memory that holds the pattern of 5, by the processor, and says it in `number`.
/// `lost`: imports the descriptor that comes with a message, runs a kernel that writes nowhere, then calls on.
enum class LostStep { load, find, launch, synchronise, copy, create, export_handle, map, unmap, release, other_thread };
/// `lose-one`: with two devices, runs a kernel that writes nowhere on device 1, then uses device 0 with memory that was
/// pinned under the other's context; `number` is 1 where its bytes came back.
enum class LossStep { load, synchronise, bind, write, wait, read, wait_again, wait_for_lost, create, unmap, unpin };
int lose_one(const std::vector<std::string> &arguments);
/// `look DEVICE`: says how cuDeviceGet of it is answered, at once and at each message.
int look(const std::vector<std::string> &arguments);

} // namespace gmemfs::conformance
