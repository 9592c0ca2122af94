// save: names, attributes and data of a mount, a folder or a file, into a snapshot on disk.
#include "fuse/host/json_text.hpp"
#include "tools/host/command.hpp"
#include "tools/host/interruption.hpp"
#include "tools/host/progress.hpp"
#include "tools/host/side_by_side.hpp"
#include "tools/snapshot/reader.hpp"
#include "tools/snapshot/source.hpp"
#include "vmm/base/all_bytes.hpp"
#include "vmm/base/units.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <string_view>
#include <sys/xattr.h>
#include <unistd.h>

namespace gmemfs {
namespace {

struct Settings {
    unsigned threads = kThreadsDefault;
    bool verify = false;
    SnapshotWriter::Images images = SnapshotWriter::Images::none;
    Progress::Display display = Progress::Display::none;
};

// What isn't saved as it was: a line each on standard error. Thread-safe.
class Warnings {
public:
    void add(const std::string &line) {
        ++count_;
        std::fprintf(stderr, "gmemfs: save: %s\n", line.c_str());
    }
    std::size_t count() const { return count_; }

private:
    std::atomic<std::size_t> count_ = 0;
};

// Files that have vanished or become shorter since they were listed, or whose device is lost. Thread-safe.
class Cuts {
public:
    explicit Cuts(const SnapshotTree &tree, Warnings &warnings) : tree_(tree), warnings_(warnings) {}
    enum class Why { changed, lost };
    void add(SnapshotCut cut, Why why = Why::changed) {
        const std::lock_guard<std::mutex> hold(mutex_);
        const auto [known, is_new] = cuts_.emplace(cut.entry, cut);
        if (!is_new) {
            known->second.size = std::min(known->second.size, cut.size);
            known->second.is_gone |= cut.is_gone;
        }
        if (is_new && why == Why::lost)
            warnings_.add(tree_.path_of(cut.entry) + ": its device is lost, and it is left out");
        else if (is_new)
            warnings_.add(tree_.path_of(cut.entry) +
                          (cut.is_gone ? ": it has vanished meanwhile, and is left out"
                                       : ": it has become shorter meanwhile, and is saved as short as it is"));
    }
    std::vector<SnapshotCut> list() const { // in the order of the entries
        std::vector<SnapshotCut> cuts;
        for (const auto &[entry, cut] : cuts_) cuts.push_back({entry, cut.is_gone, cut.is_gone ? 0 : cut.size});
        return cuts;
    }

private:
    const SnapshotTree &tree_;
    Warnings &warnings_;
    std::mutex mutex_;
    std::map<std::uint32_t, SnapshotCut> cuts_; // guarded by it
};

// Whether a file of a mount has bytes on a device that is lost.
bool is_lost(const Fd &file) {
    std::array<char, 64 * 1024> extents = {};
    const ssize_t size = ::fgetxattr(file.get(), "user.gmemfs.extents", extents.data(), extents.size());
    const std::string_view text(extents.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return text.find("\"lost\":true") != std::string_view::npos;
}

// One chunk's data, with zeros for what isn't there any more; `file` is the one that was opened last.
Result<void> read_chunk(
    const SnapshotTree &tree, const SnapshotChunk &chunk, Result<Fd> &file, std::span<std::byte> data, Cuts &cuts) {
    std::size_t have = 0;
    if (file) {
        const Result<std::size_t> read = read_until_end(file->get(), data, chunk.offset, is_interrupted);
        // What was named itself can't be left out.
        const bool is_left_out = !read && read.error().code == EIO && chunk.entry != 0 && is_lost(*file);
        if (is_left_out) cuts.add({chunk.entry, true, 0}, Cuts::Why::lost);
        if (!read && !is_left_out) return about(tree.entries()[chunk.entry].name, read.error());
        have = read ? *read : data.size();
        if (is_left_out) std::ranges::fill(data, std::byte(0));
    } else if (file.error().code != ESTALE || chunk.entry == 0) { // what was named itself can't be left out
        return Error(file.error());
    }
    std::fill(data.begin() + static_cast<std::ptrdiff_t>(have), data.end(), std::byte(0));
    if (!file)
        cuts.add({chunk.entry, true, 0});
    else if (have < data.size())
        cuts.add({chunk.entry, false, chunk.offset + have});
    return {};
}

Result<void> save_data(const Settings &settings, const SnapshotTree &tree, SnapshotSource &source,
    SnapshotWriter &writer, Cuts &cuts, Progress &progress) {
    return run_side_by_side(settings.threads, [&](const std::function<bool()> &must_end) -> Result<void> {
        std::vector<std::byte> buffer(kChunkDataAt + kSnapshotChunk);
        Result<Fd> file = Fd();
        std::uint32_t opened = kNoEntry;
        while (!must_end()) {
            const std::optional<SnapshotSource::Part> part = TRY(source.next());
            if (!part) break;
            const SnapshotChunk &chunk = part->chunk;
            const std::span<std::byte> data = std::span(buffer).subspan(kChunkDataAt, chunk.size);
            if (opened != chunk.entry) progress.start_file(tree.entries()[chunk.entry].name);
            if (part->image) {
                const Result<void> read = part->image->read(data, chunk.offset);
                if (!read) return about(tree.path_of(chunk.entry), read.error());
            } else {
                if (opened != chunk.entry) file = tree.open_file(chunk.entry);
                TRY(read_chunk(tree, chunk, file, data, cuts));
            }
            opened = chunk.entry;
            TRY(writer.put_chunk(chunk, buffer));
            progress.add(part->plain);
        }
        return {};
    });
}

Result<void> check(const Settings &settings, const std::string &path) {
    const std::unique_ptr<SnapshotReader> reader = TRY(SnapshotReader::open(path));
    return run_side_by_side(settings.threads, [&](const std::function<bool()> &must_end) -> Result<void> {
        std::vector<std::byte> buffer(kSnapshotChunk);
        while (!must_end())
            if (!TRY(reader->next(buffer))) break;
        return {};
    });
}

nlohmann::json describe(const SnapshotSource::Outcome &outcome) {
    return {{"files", outcome.images}, {"bytes", outcome.plain_bytes}, {"stored_bytes", outcome.image_bytes},
        {"plain_saving_nothing", outcome.saving_nothing}, {"plain_busy", outcome.busy},
        {"plain_without_room", outcome.without_room}, {"plain_otherwise", outcome.others}};
}

// A line for people: what was packed, and why the rest wasn't.
void print_packed(const nlohmann::json &packed) {
    const auto bytes = [&](const char *name) { return packed[name].get<std::uint64_t>(); };
    std::printf("%llu files packed, %s as %s", static_cast<unsigned long long>(bytes("files")),
        format_size(bytes("bytes")).c_str(), format_size(bytes("stored_bytes")).c_str());
    constexpr std::pair<const char *, const char *> kReasons[] = {{"plain_saving_nothing", "nothing would be saved"},
        {"plain_busy", "peers may have them mapped"}, {"plain_without_room", "no room for an image beside them"},
        {"plain_otherwise", "their images couldn't be had"}};
    for (const auto &[name, reason] : kReasons)
        if (const std::uint64_t files = bytes(name))
            std::printf("; %llu saved plain: %s", static_cast<unsigned long long>(files), reason);
    std::printf("\n");
}

Result<nlohmann::json> save(
    const Settings &settings, const std::string &source, const std::string &target, Warnings &warnings) {
    const auto started = std::chrono::steady_clock::now();
    const SnapshotTree tree = TRY(SnapshotTree::create(source, [&](const std::string &line) { warnings.add(line); }));
    const std::unique_ptr<SnapshotWriter> writer = TRY(SnapshotWriter::create(target));
    if (settings.verify && writer->part().empty())
        return Error{EINVAL, 0, "--verify", target + ": a pipe or a device isn't read again"};
    TRY(writer->put_index(tree.entries(), settings.images));
    Progress progress(settings.display, tree.data_bytes());
    Cuts cuts(tree, warnings);
    SnapshotSource files(tree, *writer, settings.images);
    const Result<void> saved = save_data(settings, tree, files, *writer, cuts, progress);
    progress.finish();
    if (!saved) return Error(saved.error());
    TRY(writer->finish(cuts.list()));
    if (settings.verify) TRY(check(settings, writer->part()));
    if (is_interrupted()) return Error{EINTR, 0, "interrupted", "nothing was left"};
    TRY(writer->publish());
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    nlohmann::json told = {{"file", target}, {"entries", tree.entries().size()}, {"bytes", tree.data_bytes()},
        {"stored_bytes", writer->size()}, {"seconds", seconds},
        {"bytes_per_second", static_cast<double>(tree.data_bytes()) / seconds}, {"verified", settings.verify},
        {"warnings", warnings.count()}};
    if (settings.images == SnapshotWriter::Images::some) told["packed"] = describe(files.outcome());
    return told;
}

} // namespace

int run_save(int argc, char **argv) {
    gboolean verify = FALSE, quiet = FALSE, json = FALSE, ignore = FALSE, pack = FALSE;
    gchar *threads = nullptr;
    const std::vector<GOptionEntry> options = {
        {"pack", 0, 0, G_OPTION_ARG_NONE, &pack, "Store packed files as they are, and pack the others on their way",
            nullptr},
        {"verify", 0, 0, G_OPTION_ARG_NONE, &verify, "Read the snapshot again, and compare its checksums", nullptr},
        {"ignore-warnings", 0, 0, G_OPTION_ARG_NONE, &ignore,
            "Exit with 0 also where something couldn't be saved as it was", nullptr},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "Show no progress", nullptr},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print a summary", nullptr},
        {"threads", 0, 0, G_OPTION_ARG_STRING, &threads, "How many read and write side by side (8)", "N"},
    };
    const Synopsis synopsis = {"MOUNT|PATH FILE",
        "Saves a mount, a folder or a file into a snapshot: names, attributes, data and checksums.",
        "FILE is whole under its name or isn't there; - is standard output. What programs change meanwhile is saved "
        "as\n"
        "it is met; what vanishes is said and left out, and the exit status is 1 then.\n"
        "With --pack the device makes a packed image of each file that it makes smaller, beside the file and for the "
        "time\n"
        "that writing it takes: in the mount each file stays as it is. Files that peers have mapped, and those whose "
        "image\n"
        "the device has no room for, are saved as plain bytes. Older versions of gmemfs can't read such a snapshot.",
        2, 2};
    const CommandLine line = parse_command_line(argc, argv, synopsis, options);
    const std::unique_ptr<gchar, decltype(&g_free)> owner(threads, g_free);
    if (line.exit_status) return *line.exit_status;
    Settings settings;
    const Result<unsigned> asked = parse_threads(threads, kThreadsDefault);
    if (!asked) return fail_usage("save", asked.error().text());
    settings.threads = *asked;
    settings.verify = verify != FALSE;
    if (pack != FALSE) settings.images = SnapshotWriter::Images::some;
    if (quiet == FALSE && ::isatty(STDERR_FILENO) != 0) settings.display = Progress::Display::line;
    if (json != FALSE && line.parameters[1] == "-") return fail_usage("save", "--json and - both are standard output");
    catch_interruptions();
    Warnings warnings;
    const Result<nlohmann::json> saved = save(settings, line.parameters[0], line.parameters[1], warnings);
    if (saved) {
        if (json) std::printf("%s\n", json_text(*saved, -1).c_str());
        const bool tells = json == FALSE && quiet == FALSE && line.parameters[1] != "-";
        if (tells && saved->contains("packed")) print_packed((*saved)["packed"]);
        return warnings.count() == 0 || ignore != FALSE ? 0 : kFailure;
    }
    return fail_or_interrupted(saved.error());
}

} // namespace gmemfs
