// save: names, attributes and data of a mount, a folder or a file, into a snapshot on disk.
#include "tools/command.hpp"
#include "tools/side_by_side.hpp"
#include "tools/snapshot_reader.hpp"
#include "tools/snapshot_tree.hpp"
#include "tools/snapshot_writer.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <unistd.h>

namespace gmemfs {
namespace {

struct Settings {
    unsigned threads = kThreadsDefault;
    bool verify = false;
    Progress::Display display = Progress::Display::none;
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

Result<void> save_data(const Settings &settings, const SnapshotTree &tree, SnapshotWriter &writer, Progress &progress) {
    Chunks chunks(tree.entries());
    return run_side_by_side(settings.threads, [&](const std::function<bool()> &must_end) -> Result<void> {
        std::vector<std::byte> buffer(kChunkDataAt + kChunkSize);
        Fd file;
        std::uint32_t opened = kNoEntry;
        while (!must_end()) {
            const std::optional<SnapshotChunk> chunk = chunks.next();
            if (!chunk) break;
            const std::string &name = tree.entries()[chunk->entry].name;
            if (opened != chunk->entry) {
                file = TRY(tree.open_file(chunk->entry));
                opened = chunk->entry;
                progress.start_file(name);
            }
            TRY(read_all(file.get(), std::span(buffer).subspan(kChunkDataAt, chunk->size), chunk->offset, name));
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

Result<nlohmann::json> save(const Settings &settings, const std::string &source, const std::string &target) {
    const auto started = std::chrono::steady_clock::now();
    const SnapshotTree tree = TRY(SnapshotTree::create(source));
    const std::unique_ptr<SnapshotWriter> writer = TRY(SnapshotWriter::create(target));
    TRY(writer->put_index(tree.entries()));
    Progress progress(settings.display, tree.data_bytes());
    const Result<void> saved = save_data(settings, tree, *writer, progress);
    progress.finish();
    if (!saved) return Error(saved.error());
    TRY(writer->finish());
    if (settings.verify) TRY(check(settings, writer->part()));
    if (is_interrupted()) return Error{EINTR, 0, "interrupted", "nothing was left"};
    TRY(writer->publish());
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    return nlohmann::json{{"file", target}, {"entries", tree.entries().size()}, {"bytes", tree.data_bytes()},
        {"stored_bytes", writer->size()}, {"seconds", seconds},
        {"bytes_per_second", static_cast<double>(tree.data_bytes()) / seconds}, {"verified", settings.verify}};
}

} // namespace

int run_save(int argc, char **argv) {
    gboolean verify = FALSE, quiet = FALSE, json = FALSE;
    gchar *threads = nullptr;
    const std::vector<GOptionEntry> options = {
        {"verify", 0, 0, G_OPTION_ARG_NONE, &verify, "Read the snapshot again, and compare its checksums", nullptr},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "Show no progress", nullptr},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print a summary", nullptr},
        {"threads", 0, 0, G_OPTION_ARG_STRING, &threads, "How many read and write side by side (8)", "N"},
    };
    const Synopsis synopsis = {"MOUNT|PATH FILE",
        "Saves a mount, a folder or a file into a snapshot: names, attributes, data and checksums.",
        "FILE is whole under its name or isn't there. What programs change meanwhile is saved as it is met.", 2, 2};
    const CommandLine line = parse_command_line(argc, argv, synopsis, options);
    const std::unique_ptr<gchar, decltype(&g_free)> owner(threads, g_free);
    if (line.exit_status) return *line.exit_status;
    Settings settings;
    const Result<unsigned> asked = parse_threads(threads, kThreadsDefault);
    if (!asked) return fail_usage("save", asked.error().text());
    settings.threads = *asked;
    settings.verify = verify != FALSE;
    if (quiet == FALSE && ::isatty(STDERR_FILENO) != 0) settings.display = Progress::Display::line;
    catch_interruptions();
    const Result<nlohmann::json> saved = save(settings, line.parameters[0], line.parameters[1]);
    if (saved) {
        if (json) std::printf("%s\n", saved->dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
        return 0;
    }
    return fail_or_interrupted(saved.error());
}

} // namespace gmemfs
