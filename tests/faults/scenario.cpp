#include "tests/faults/scenario.hpp"

#include <algorithm>
#include <memory>

namespace gmemfs::test {
namespace {

Step start() {
    return {"start", [](World &world) { return world.start(); }};
}

Step make(const std::string &name) {
    return {"create " + name, [=](World &world) { return world.create(name); }, [=](auto &model) { model[name] = {}; }};
}

void put(Bytes &bytes, std::uint64_t offset, const Bytes &what) {
    bytes.resize(std::max<std::size_t>(bytes.size(), offset + what.size()));
    std::ranges::copy(what, bytes.begin() + static_cast<std::ptrdiff_t>(offset));
}

Step write(const std::string &name, std::uint64_t offset, std::uint64_t size, unsigned seed) {
    const Bytes bytes = some_bytes(size, seed);
    return {"write " + std::to_string(size) + " at " + std::to_string(offset) + " of " + name,
        [=](World &world) { return world.write(name, offset, bytes); },
        [=](auto &model) { put(model[name], offset, bytes); }, {name, offset, offset + size}};
}

Step truncate(const std::string &name, std::uint64_t size) {
    return {"truncate " + name + " to " + std::to_string(size),
        [=](World &world) {
            AttributeChanges changes;
            changes.size = size;
            return world.volume().set_attributes(world.caller(), world.inode(name), changes);
        },
        [=](auto &model) { model[name].resize(size); }};
}

Step allocate(const std::string &name, std::uint64_t offset, std::uint64_t length, File::SizeMode mode) {
    return {"allocate " + std::to_string(length) + " at " + std::to_string(offset) + " of " + name,
        [=](World &world) { return world.volume().allocate(world.caller(), world.inode(name), offset, length, mode); },
        [=](auto &model) {
            if (mode == File::SizeMode::extend)
                model[name].resize(std::max<std::size_t>(model[name].size(), offset + length));
        }};
}

// Punching, or zeroing.
enum class Clear { punch, zero };
Step clear(Clear way, const std::string &name, std::uint64_t offset, std::uint64_t length) {
    return {(way == Clear::punch ? "punch " : "zero ") + std::to_string(length) + " at " + std::to_string(offset) +
                " of " + name,
        [=](World &world) {
            const auto run = way == Clear::punch ? &Volume::punch : &Volume::zero;
            return (world.volume().*run)(world.caller(), world.inode(name), offset, length);
        },
        [=](auto &model) {
            const std::size_t end = std::min<std::size_t>(model[name].size(), offset + length);
            for (std::size_t at = offset; at < end; ++at) model[name][at] = std::byte(0);
        },
        {name, offset, offset + length}};
}

Step copy(
    const std::string &source, std::uint64_t from, const std::string &target, std::uint64_t to, std::uint64_t length) {
    return {"copy " + std::to_string(length) + " of " + source + " to " + target,
        [=](World &world) -> Result<void> {
            const std::uint64_t count =
                TRY(world.volume().copy(world.caller(), world.inode(source), from, world.inode(target), to, length));
            EXPECT_EQ(count, length);
            return {};
        },
        [=](auto &model) {
            const auto first = model[source].begin() + static_cast<std::ptrdiff_t>(from);
            const Bytes bytes(first, first + static_cast<std::ptrdiff_t>(length));
            put(model[target], to, bytes);
        },
        {target, to, to + length}};
}

Step settle(const std::string &name) {
    return {"settle " + name, [=](World &world) -> Result<void> {
                TRY(world.volume().allocation_size(world.caller(), world.inode(name)));
                return {};
            }};
}

Step open_and_close(const std::string &name) {
    return {"open and close " + name, [=](World &world) -> Result<void> {
                TRY(world.volume().open(world.caller(), world.inode(name), Volume::OpenMode::keep));
                return world.volume().close(world.caller(), world.inode(name));
            }};
}

Step open_truncating(const std::string &name) {
    return {"open with O_TRUNC " + name,
        [=](World &world) -> Result<void> {
            TRY(world.volume().open(world.caller(), world.inode(name), Volume::OpenMode::truncate));
            return world.volume().close(world.caller(), world.inode(name));
        },
        [=](auto &model) { model[name].clear(); }};
}

Step read(const std::string &name) {
    return {"read " + name, [=](World &world) -> Result<void> {
                EXPECT_EQ(TRY(world.read(name)), world.model[name]);
                return {};
            }};
}

// A peer gets a handle, imports and maps it, and lets go of it: what it sees begins with the file's bytes.
Step share(const std::string &name, File::ShareBy by) {
    return {"share " + name, [=](World &world) -> Result<void> {
                const auto shared = TRY(world.volume().share(world.caller(), world.inode(name), by));
                const Driver &driver = Simulation::get().driver();
                for (const File::Shared &one : shared) {
                    const Allocation imported = TRY(one.fabric ? Allocation::import_fabric(driver, *one.fabric)
                                                               : Allocation::import_fd(driver, one.fd));
                    TRY(Mapping::create(driver, Simulation::get().device().info(), imported, one.extent->size()));
                }
                return {};
            }};
}

Step fabric_handles(const std::string &name) {
    return {"fabric handles of " + name, [=](World &world) -> Result<void> {
                const auto handles = world.volume().fabric_handles(world.caller(), world.inode(name));
                if (handles) return {};
                // Memory that a fault has had made without one (docs/keeper.md) is no failure of this.
                const auto infos = world.file(name).extent_infos();
                const bool lacks = std::ranges::any_of(infos, [](const auto &info) { return !info.has_fabric; });
                if (handles.error().code == ENOTSUP && lacks) return {};
                return Error(handles.error());
            }};
}

Step seal(const std::string &name) {
    return {"seal " + name, [=](World &world) { return world.volume().sync(world.inode(name)); }};
}

Step check_parity(const std::string &name, ParityMode mode) {
    return {(mode == ParityMode::verify ? "verify " : "scrub ") + name, [=](World &world) -> Result<void> {
                if (world.file(name).parity_state() == ParityState::open) return {}; // a step before this has failed
                const BlockReport report = TRY(world.file(name).check_parity(mode, 0, world.file(name).size()));
                EXPECT_TRUE(report.left_wrong.empty());
                return {};
            }};
}

Step damage(const std::string &name, std::uint64_t offset, std::uint64_t bits) {
    return {"damage " + name, [=](World &world) -> Result<void> {
                Copiers copiers = TRY(Copiers::create(world.volume().storage().devices()));
                return world.file(name).damage(copiers, offset, 128 * KiB, bits, 7);
            }};
}

Step digest(const std::string &name) {
    return {"digest " + name, [=](World &world) -> Result<void> {
                TRY(world.file(name).digest(world.caller().copiers));
                return {};
            }};
}

Step pack(const std::string &name, PackBy by = PackBy::own) {
    return {"pack " + name, [=](World &world) -> Result<void> {
                const File::PackOutcome outcome = TRY(world.volume().pack(world.caller(), world.inode(name), by));
                EXPECT_EQ(outcome, File::PackOutcome::packed);
                return {};
            }};
}

Step offload(const std::string &name, File::Form form, PackBy by = PackBy::own) {
    return {"offload " + name, [=](World &world) -> Result<void> {
                const auto outcome = TRY(world.volume().offload(world.caller(), world.inode(name), form, by));
                EXPECT_EQ(outcome, File::OffloadOutcome::moved);
                return {};
            }};
}

Step wake(const std::string &name) {
    return {"wake " + name, [=](World &world) { return world.volume().wake(world.caller(), world.inode(name)); }};
}

Step read_image(const std::string &name) {
    return {"read the image of " + name, [=](World &world) -> Result<void> {
                TRY(world.read_image(name));
                return {};
            }};
}

// What the image of a file has becomes the bytes of another one: for a setup.
Step write_image(const std::string &name, const std::string &to) {
    const auto bytes = std::make_shared<Bytes>();
    return {"write the image of " + name + " to " + to,
        [=](World &world) -> Result<void> {
            *bytes = TRY(world.read_image(name));
            return world.write(to, 0, *bytes);
        },
        [=](auto &model) { model[to] = *bytes; }};
}

Step take_image(const std::string &of, const std::string &name) {
    return {"take the image " + name,
        [=](World &world) { return world.volume().take_image(world.caller(), world.inode(name)); },
        [=](auto &model) { model[name] = model[of]; }};
}

Step remove(const std::string &name) {
    return {"unlink " + name, [=](World &world) -> Result<void> {
                world.unlink(name); // which must not fail
                return {};
            }};
}

Step recover() {
    return {"recover", [](World &world) { return world.recover(); }};
}

// A slot, an extent, a loose file, one that is exported, one with memory past its end.
std::vector<Step> files_of_all_kinds() {
    return {start(), make("slot"), write("slot", 0, 5000, 1), make("whole"), truncate("whole", 3 * MiB + 5),
        write("whole", MiB, 70000, 2), make("loose"), write("loose", 0, MiB, 3), write("loose", MiB, 2 * MiB, 4),
        make("shared"), write("shared", 0, MiB, 5), share("shared", File::ShareBy::fabric), make("kept"),
        write("kept", 0, 100, 6), allocate("kept", 0, 3 * MiB, File::SizeMode::keep), make("empty")};
}

std::vector<Scenario> plain_scenarios() {
    using Mode = File::SizeMode;
    return {
        {"Start", {}, {}, {start(), make("a"), write("a", 0, 100, 1)}},
        {"SmallFiles", {}, {start()},
            {make("a"), write("a", 0, 100, 1), write("a", 100, 5000, 2), make("b"), write("b", 10, 70000, 3), read("a"),
                truncate("b", 100), truncate("b", 3000), remove("a"), make("c"), write("c", 0, 4000, 4),
                write("b", 100000, 300000, 5), write("b", 400000, MiB, 6), open_and_close("b")}},
        {"Growth", {}, {start(), make("a")},
            {write("a", 0, MiB, 1), write("a", MiB, MiB, 2), write("a", 2 * MiB, 2 * MiB, 3), settle("a"),
                write("a", 5 * MiB, 1000, 4), open_and_close("a"), read("a"), open_truncating("a")}},
        {"Truncate", {}, {start(), make("a"), write("a", 0, 1000, 1)},
            {truncate("a", 3 * MiB), write("a", 2 * MiB, 1000, 2), truncate("a", MiB + 1), truncate("a", 4 * MiB),
                truncate("a", 3 * MiB + 7), truncate("a", 100), truncate("a", 0), truncate("a", MiB)}},
        {"Allocate", {}, {start(), make("a"), write("a", 0, 1000, 1)},
            {allocate("a", 0, 3 * MiB, Mode::keep), write("a", 500, MiB, 2), allocate("a", MiB, 4 * MiB, Mode::extend),
                clear(Clear::punch, "a", 100, MiB), clear(Clear::zero, "a", 2 * MiB - 5, 100),
                allocate("a", 0, 8 * MiB, Mode::keep), clear(Clear::punch, "a", 5 * MiB, 3 * MiB), settle("a"),
                truncate("a", 10)}},
        {"Copy", {},
            {start(), make("a"), write("a", 0, 3 * MiB, 1), make("small"), write("small", 0, 3000, 2), make("b"),
                make("c")},
            {copy("a", 100, "b", 0, 2 * MiB), copy("a", 0, "b", 3 * MiB, MiB), copy("small", 0, "c", 50, 2900),
                copy("a", 0, "small", 1000, MiB), copy("a", 0, "a", 2 * MiB, MiB), settle("b")}},
        {"Handles", {}, {start(), make("a"), write("a", 0, 3 * MiB, 1), make("small"), write("small", 0, 3000, 2)},
            {fabric_handles("a"), share("small", File::ShareBy::fd), share("a", File::ShareBy::either),
                truncate("a", 5 * MiB), write("a", 6 * MiB, 1000, 3), settle("a"), truncate("a", MiB),
                truncate("a", 2 * MiB), fabric_handles("a"), remove("small")}},
        {"Digest", {}, {start(), make("a"), write("a", 0, 3 * MiB, 1)},
            {digest("a"), write("a", 5, 100, 2), digest("a")}},
        {"Recovery", {}, files_of_all_kinds(),
            {recover(), read("whole"), truncate("slot", 4096), truncate("whole", 4 * MiB), write("loose", 100, MiB, 7),
                write("loose", 4 * MiB, 1000, 8), truncate("shared", 3 * MiB), write("kept", 200, MiB, 9),
                write("empty", 0, 100, 10), settle("loose"), remove("slot"), recover()}},
    };
}

Step replicate(const std::string &name) {
    return {
        "replicate " + name, [=](World &world) -> Result<void> {
            const auto &devices = world.volume().storage().devices();
            return world.file(name).replicate(world.caller().copiers, {devices.front().get(), devices.back().get()});
        }};
}

// Files over two devices, and copies of files of one.
std::vector<Scenario> wide_scenarios() {
    const World::Shape wide = {.is_wide = true}, parity = {.parity = true, .is_wide = true};
    return {
        {"Spread", wide, {start(), make("a"), make("b")},
            {truncate("a", 6 * MiB), write("a", 3 * MiB, 2 * MiB, 1), read("a"), truncate("a", 8 * MiB),
                truncate("a", 3 * MiB), write("b", 0, MiB, 2), write("b", MiB, 2 * MiB, 3), settle("b"), digest("b"),
                copy("b", 100, "a", 0, 2 * MiB), clear(Clear::punch, "b", MiB, 2 * MiB)}},
        {"SpreadHandles", wide, {start(), make("a"), truncate("a", 6 * MiB), write("a", 3 * MiB, MiB, 1)},
            {fabric_handles("a"), truncate("a", 7 * MiB), write("a", 7 * MiB, 1000, 2), share("a", File::ShareBy::fd),
                truncate("a", 0)}},
        {"SpreadRecovery", wide, {start(), make("a"), truncate("a", 6 * MiB), write("a", 3 * MiB, MiB, 1)},
            {recover(), read("a"), truncate("a", 8 * MiB), recover(), read("a")}, Keepers::served},
        {"SpreadParity", parity, {start(), make("a"), truncate("a", 6 * MiB)},
            {write("a", 3 * MiB, 2 * MiB, 1), check_parity("a", ParityMode::verify), truncate("a", 8 * MiB),
                check_parity("a", ParityMode::repair), read("a")},
            Keepers::local},
        {"Replicas", {.two_devices = true}, {start(), make("a"), truncate("a", 3 * MiB), write("a", MiB, MiB, 1)},
            {replicate("a"), write("a", 5, 1000, 2), replicate("a"), share("a", File::ShareBy::fd), remove("a")},
            Keepers::local},
        {"SpreadCold", {.has_host = true, .is_wide = true}, {start(), make("a"), truncate("a", 6 * MiB - 5)},
            {pack("a"), read("a"), wake("a"), offload("a", File::Form::as_they_are), read("a"), wake("a")},
            Keepers::local},
    };
}

std::vector<Scenario> parity_scenarios() {
    const World::Shape parity = {.parity = true};
    return {
        {"ParityStart", parity, {}, {start(), make("a"), write("a", 0, 100, 1)}},
        {"ParityWrites", parity, {start(), make("a"), make("b")},
            {write("a", 0, 1000, 1), write("a", 130000, 300000, 2), write("a", 500, 1000, 3), read("a"),
                write("b", 0, 300000, 4), copy("b", 10, "a", 1000, 200000), read("a"), seal("a")}},
        {"ParityLayout", parity, {start(), make("a"), write("a", 0, MiB, 1)},
            {truncate("a", 2 * MiB + 1), write("a", 2 * MiB - 100, 1000, 2), truncate("a", MiB + 100),
                clear(Clear::punch, "a", 1000, 200000), settle("a"), truncate("a", 0)}},
        {"ParityChecks", {.parity = true, .damaged = true},
            {start(), make("a"), write("a", 0, 300000, 1), make("b"), write("b", 0, MiB, 2), damage("b", 0, 3)},
            {check_parity("a", ParityMode::verify), check_parity("b", ParityMode::repair), read("b"),
                fabric_handles("a"), write("a", 10, 1000, 3), seal("a"), check_parity("a", ParityMode::verify),
                read("a")}},
        {"ParityRecovery", parity,
            {start(), make("a"), write("a", 0, 300000, 1), make("b"), write("b", 0, MiB, 2), make("c"),
                write("c", 0, 300000, 3), share("c", File::ShareBy::fabric)},
            {recover(), read("a"), write("b", 5, 1000, 3), write("c", 0, 100, 4), seal("c")}},
    };
}

// 4 MiB, nearly all of them zeros.
std::vector<Step> file_to_pack(const std::string &name) {
    return {start(), make(name), truncate(name, 4 * MiB - 5), write(name, 2 * MiB - 100, 70000, 1)};
}

std::vector<Step> file_and_image(const std::string &name, const std::string &image) {
    std::vector<Step> steps = file_to_pack(name);
    steps.push_back(make(image));
    steps.push_back(write_image(name, image));
    return steps;
}

// A walk over megabytes takes long: each of them with one keeper.
std::vector<Scenario> cold_scenarios() {
    const World::Shape parity = {.parity = true}, host = {.has_host = true};
    return {
        {"Pack", {}, file_to_pack("a"),
            {pack("a"), read("a"), write("a", 5, 1000, 2), pack("a"), make("b"), copy("a", 100, "b", 0, MiB),
                digest("a"), pack("a"), wake("a")},
            Keepers::local},
        {"PackedLayout", {}, file_to_pack("a"),
            {pack("a"), truncate("a", 3 * MiB), pack("a"), clear(Clear::punch, "a", 100, MiB), pack("a"),
                allocate("a", 0, 5 * MiB, File::SizeMode::keep), pack("a"), fabric_handles("a")},
            Keepers::local},
        {"PackedRecovery", {}, file_to_pack("a"),
            {pack("a"), recover(), read("a"), wake("a"), pack("a"), recover(), write("a", 0, 100, 3), pack("a"),
                truncate("a", 0)},
            Keepers::served},
        {"PackedParity", parity, file_to_pack("a"),
            {pack("a"), check_parity("a", ParityMode::verify), wake("a"), check_parity("a", ParityMode::verify),
                pack("a"), recover(), check_parity("a", ParityMode::repair), write("a", 7, 1000, 2)},
            Keepers::local},
        {"Host", host, file_to_pack("a"),
            {offload("a", File::Form::packed), read("a"), write("a", 5, 1000, 2), offload("a", File::Form::as_they_are),
                read("a"), make("b"), copy("a", 100, "b", 0, MiB), wake("a"), pack("a"),
                offload("a", File::Form::as_they_are), wake("a")},
            Keepers::local},
        {"HostRecovery", host, file_to_pack("a"),
            {offload("a", File::Form::packed), recover(), read("a"), wake("a"), offload("a", File::Form::as_they_are),
                recover(), read("a"), write("a", 0, 100, 3)},
            Keepers::served},
        {"Ans", {.has_nvcomp = true}, file_to_pack("a"),
            {pack("a", PackBy::ans), read("a"), write("a", 5, 1000, 2), pack("a", PackBy::ans), read_image("a"),
                wake("a")},
            Keepers::local},
        {"AnsRecovery", {.has_nvcomp = true}, file_to_pack("a"),
            {pack("a", PackBy::ans), recover(), read("a"), wake("a")}, Keepers::served},
        {"AnsParity", {.parity = true, .has_nvcomp = true}, file_to_pack("a"),
            {pack("a", PackBy::ans), check_parity("a", ParityMode::verify), read("a"), wake("a"),
                check_parity("a", ParityMode::verify)},
            Keepers::local},
        {"AnsHost", {.has_host = true, .has_nvcomp = true}, file_to_pack("a"),
            {offload("a", File::Form::packed, PackBy::ans), read("a"), write("a", 5, 1000, 2), pack("a", PackBy::ans),
                offload("a", File::Form::as_they_are), wake("a")},
            Keepers::local},
        {"Streams", {}, file_to_pack("a"),
            {pack("a", PackBy::zstd), read("a"), recover(), read_image("a"), wake("a"), pack("a", PackBy::lz4),
                write("a", 5, 1000, 2)},
            Keepers::served},
        {"StreamsByNvcomp", {.has_host = true, .has_nvcomp = true}, file_to_pack("a"),
            {pack("a", PackBy::zstd), wake("a"), offload("a", File::Form::packed, PackBy::lz4), wake("a")},
            Keepers::local},
        {"Images", parity, file_and_image("a", "b"),
            {read_image("a"), take_image("a", "b"), read_image("b"), check_parity("b", ParityMode::verify), read("b"),
                write("b", 5, 1000, 2)},
            Keepers::local},
        {"ImagesRecovered", {}, file_and_image("a", "b"), {take_image("a", "b"), recover(), read("b")},
            Keepers::served},
    };
}

} // namespace

std::vector<Scenario> all_scenarios() {
    std::vector<Scenario> all = plain_scenarios();
    for (Scenario &scenario : parity_scenarios()) all.push_back(std::move(scenario));
    for (Scenario &scenario : wide_scenarios()) all.push_back(std::move(scenario));
    for (Scenario &scenario : cold_scenarios()) all.push_back(std::move(scenario));
    return all;
}

} // namespace gmemfs::test
