// save: names, attributes and data of a mount, a folder or a file, into a snapshot on disk.
#include "tools/host/command.hpp"
#include "tools/host/interruption.hpp"
#include "tools/host/progress.hpp"
#include "tools/host/side_by_side.hpp"
#include "tools/snapshot/reader.hpp"
#include "tools/snapshot/tree.hpp"
#include "tools/snapshot/writer.hpp"
#include "vmm/base/all_bytes.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <map>
#include <unistd.h>

namespace gmemfs {
namespace {

struct Settings {
    unsigned threads = kThreadsDefault;
    bool verify = false;
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

// Files that have vanished or become shorter since they were listed. Thread-safe.
class Cuts {
public:
    explicit Cuts(const SnapshotTree &tree, Warnings &warnings) : tree_(tree), warnings_(warnings) {}
    void add(SnapshotCut cut) {
        const std::lock_guard<std::mutex> hold(mutex_);
        const auto [known, is_new] = cuts_.emplace(cut.entry, cut);
        if (!is_new) {
            known->second.size = std::min(known->second.size, cut.size);
            known->second.is_gone |= cut.is_gone;
        }
        if (is_new)
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

// Deals out the chunks of all files, in order. Thread-safe.
class Chunks {
public:
    explicit Chunks(const std::vector<SnapshotEntry> &entries) : entries_(entries) {}
    std::optional<SnapshotChunk> next() {
        const std::lock_guard<std::mutex> hold(mutex_);
        while (index_ < entries_.size() && offset_ >= entries_[index_].size) {
            ++index_;
            offset_ = 0;
        }
        if (index_ == entries_.size()) return {};
        SnapshotChunk chunk;
        chunk.entry = static_cast<std::uint32_t>(index_);
        chunk.offset = offset_;
        chunk.size = static_cast<std::uint32_t>(std::min(kChunkSize, entries_[index_].size - offset_));
        offset_ += kChunkSize;
        return chunk;
    }

private:
    const std::vector<SnapshotEntry> &entries_;
    std::mutex mutex_; // of what follows
    std::size_t index_ = 0;
    std::uint64_t offset_ = 0;
};

// One chunk's data, with zeros for what isn't there any more; `file` is the one that was opened last.
Result<void> read_chunk(
    const SnapshotTree &tree, const SnapshotChunk &chunk, Result<Fd> &file, std::span<std::byte> data, Cuts &cuts) {
    std::size_t have = 0;
    if (file) {
        const Result<std::size_t> read = read_until_end(file->get(), data, chunk.offset, is_interrupted);
        if (!read) return about(tree.entries()[chunk.entry].name, read.error());
        have = *read;
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

Result<void> save_data(
    const Settings &settings, const SnapshotTree &tree, SnapshotWriter &writer, Cuts &cuts, Progress &progress) {
    Chunks chunks(tree.entries());
    return run_side_by_side(settings.threads, [&](const std::function<bool()> &must_end) -> Result<void> {
        std::vector<std::byte> buffer(kChunkDataAt + kChunkSize);
        Result<Fd> file = Fd();
        std::uint32_t opened = kNoEntry;
        while (!must_end()) {
            const std::optional<SnapshotChunk> chunk = chunks.next();
            if (!chunk) break;
            if (opened != chunk->entry) {
                file = tree.open_file(chunk->entry);
                opened = chunk->entry;
                progress.start_file(tree.entries()[chunk->entry].name);
            }
            TRY(read_chunk(tree, *chunk, file, std::span(buffer).subspan(kChunkDataAt, chunk->size), cuts));
            TRY(writer.put_chunk(*chunk, buffer));
            progress.add(chunk->size);
        }
        return {};
    });
}

Result<void> check(const Settings &settings, const std::string &path) {
    const std::unique_ptr<SnapshotReader> reader = TRY(SnapshotReader::open(path));
    return run_side_by_side(settings.threads, [&](const std::function<bool()> &must_end) -> Result<void> {
        std::vector<std::byte> buffer(kChunkSize);
        while (!must_end())
            if (!TRY(reader->next(buffer))) break;
        return {};
    });
}

Result<nlohmann::json> save(
    const Settings &settings, const std::string &source, const std::string &target, Warnings &warnings) {
    const auto started = std::chrono::steady_clock::now();
    const SnapshotTree tree = TRY(SnapshotTree::create(source, [&](const std::string &line) { warnings.add(line); }));
    const std::unique_ptr<SnapshotWriter> writer = TRY(SnapshotWriter::create(target));
    if (settings.verify && writer->part().empty())
        return Error{EINVAL, 0, "--verify", target + ": a pipe or a device isn't read again"};
    TRY(writer->put_index(tree.entries()));
    Progress progress(settings.display, tree.data_bytes());
    Cuts cuts(tree, warnings);
    const Result<void> saved = save_data(settings, tree, *writer, cuts, progress);
    progress.finish();
    if (!saved) return Error(saved.error());
    TRY(writer->finish(cuts.list()));
    if (settings.verify) TRY(check(settings, writer->part()));
    if (is_interrupted()) return Error{EINTR, 0, "interrupted", "nothing was left"};
    TRY(writer->publish());
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return nlohmann::json{{"file", target}, {"entries", tree.entries().size()}, {"bytes", tree.data_bytes()},
        {"stored_bytes", writer->size()}, {"seconds", seconds},
        {"bytes_per_second", static_cast<double>(tree.data_bytes()) / seconds}, {"verified", settings.verify},
        {"warnings", warnings.count()}};
}

} // namespace

int run_save(int argc, char **argv) {
    gboolean verify = FALSE, quiet = FALSE, json = FALSE, ignore = FALSE;
    gchar *threads = nullptr;
    const std::vector<GOptionEntry> options = {
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
        "it is met; what vanishes is said and left out, and the exit status is 1 then.",
        2, 2};
    const CommandLine line = parse_command_line(argc, argv, synopsis, options);
    const std::unique_ptr<gchar, decltype(&g_free)> owner(threads, g_free);
    if (line.exit_status) return *line.exit_status;
    Settings settings;
    const Result<unsigned> asked = parse_threads(threads, kThreadsDefault);
    if (!asked) return fail_usage("save", asked.error().text());
    settings.threads = *asked;
    settings.verify = verify != FALSE;
    if (quiet == FALSE && ::isatty(STDERR_FILENO) != 0) settings.display = Progress::Display::line;
    if (json != FALSE && line.parameters[1] == "-") return fail_usage("save", "--json and - both are standard output");
    catch_interruptions();
    Warnings warnings;
    const Result<nlohmann::json> saved = save(settings, line.parameters[0], line.parameters[1], warnings);
    if (saved) {
        if (json) std::printf("%s\n", saved->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
        return warnings.count() == 0 || ignore != FALSE ? 0 : kFailure;
    }
    return fail_or_interrupted(saved.error());
}

} // namespace gmemfs
