// restore: puts a snapshot back, into a mount or a folder; or lists it, or checks it.
#include "fuse/host/json_text.hpp"
#include "tools/host/command.hpp"
#include "tools/host/interruption.hpp"
#include "tools/host/progress.hpp"
#include "tools/host/side_by_side.hpp"
#include "tools/snapshot/given_image.hpp"
#include "tools/snapshot/reader.hpp"
#include "vmm/base/all_bytes.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <map>
#include <mutex>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

struct Settings {
    unsigned threads = kThreadsDefault;
    bool list = false, check = false, verify = false, json = false;
    SnapshotPlace::Existing existing = SnapshotPlace::Existing::refuse;
    Residences residences = Residences::awake;
    Progress::Display display = Progress::Display::none;
};

void print(const nlohmann::json &value) { std::printf("%s\n", json_text(value, -1).c_str()); }

// Calls `use` with every chunk and its data, on several threads.
using UseChunk = std::function<Result<void>(const SnapshotChunk &chunk, std::span<const std::byte> data)>;
Result<void> for_each_chunk(
    const Settings &settings, SnapshotReader &reader, Progress &progress, const std::function<UseChunk()> &make_use) {
    return run_side_by_side(settings.threads, [&](const std::function<bool()> &must_end) -> Result<void> {
        std::vector<std::byte> buffer(kSnapshotChunk);
        const UseChunk use = make_use(); // a thread's own
        while (!must_end()) {
            const std::optional<SnapshotChunk> chunk = TRY(reader.next(buffer));
            if (!chunk) break;
            TRY(use(*chunk, std::span(buffer).first(chunk->size)));
            const SnapshotImage *const image = reader.image_of(chunk->entry);
            const std::uint64_t plain = reader.entries()[chunk->entry].size;
            progress.add(plain_part(*chunk, image != nullptr ? image->size : plain, plain));
        }
        return {};
    });
}

// A staged file that stays open for as long as its chunks come one after another.
class StagedFile {
public:
    explicit StagedFile(const SnapshotPlace &place) : place_(place) {}
    Result<int> open(std::uint32_t entry) {
        if (entry != entry_) {
            file_ = TRY(place_.open_file(entry));
            entry_ = entry;
        }
        return file_.get();
    }

private:
    const SnapshotPlace &place_;
    Fd file_;
    std::uint32_t entry_ = kNoEntry;
};

// Which staged files have room for their bytes already. Thread-safe.
class Allocated {
public:
    Allocated(const SnapshotReader &reader, const SnapshotPlace &place)
        : reader_(reader), place_(place), has_(reader.entries().size()) {}
    Result<void> ensure(std::uint32_t entry, StagedFile &file) {
        const std::lock_guard<std::mutex> hold(mutex_);
        if (has_[entry]) return {};
        has_[entry] = true;
        const SnapshotImage *const image = reader_.image_of(entry);
        return place_.allocate(entry, TRY(file.open(entry)), image ? image->size : reader_.entries()[entry].size);
    }

private:
    const SnapshotReader &reader_;
    const SnapshotPlace &place_;
    std::mutex mutex_;
    std::vector<bool> has_; // has_[entry]; guarded by mutex_
};

Result<void> write_data(
    const Settings &settings, SnapshotReader &reader, const SnapshotPlace &place, Progress &progress) {
    Allocated allocated(reader, place);
    return for_each_chunk(settings, reader, progress, [&]() -> UseChunk {
        const auto file = std::make_shared<StagedFile>(place);
        return [&, file](const SnapshotChunk &chunk, std::span<const std::byte> data) -> Result<void> {
            const SnapshotEntry &entry = reader.entries()[chunk.entry];
            TRY(allocated.ensure(chunk.entry, *file));
            // A file of several chunks was truncated to its size, and new memory reads as zeros.
            if (chunk.stored == 0 && entry.size > kSnapshotChunk && reader.image_of(chunk.entry) == nullptr) return {};
            progress.start_file(entry.name);
            const Result<void> written = write_all(TRY(file->open(chunk.entry)), data, chunk.offset, is_interrupted);
            if (!written) return about(entry.name, written.error());
            return {};
        };
    });
}

// Reads the snapshot a second time, and what was made of it.
Result<void> compare_data(const Settings &settings, const std::string &path, const SnapshotPlace &place) {
    const std::unique_ptr<SnapshotReader> reader = TRY(SnapshotReader::open(path));
    Progress progress(Progress::Display::none, 0);
    return for_each_chunk(settings, *reader, progress, [&]() -> UseChunk {
        const auto file = std::make_shared<StagedFile>(place);
        const auto buffer = std::make_shared<std::vector<std::byte>>(kSnapshotChunk);
        return [&, file, buffer](const SnapshotChunk &chunk, std::span<const std::byte> data) -> Result<void> {
            const std::string name = reader->path_of(chunk.entry);
            const std::span<std::byte> read = std::span(*buffer).first(data.size());
            const Result<void> came = read_all(TRY(file->open(chunk.entry)), read, chunk.offset, is_interrupted);
            if (!came) return about(name, came.error());
            if (checksum(read) == chunk.crc) return {};
            return Error{EIO, 0, "verify",
                name + ": it reads otherwise than it was written, from byte " + std::to_string(chunk.offset) +
                    "; restore again, and look at the server's log"};
        };
    });
}

Result<void> make_files_of_images(const Settings &settings, const SnapshotReader &reader, const SnapshotPlace &place) {
    for (const auto &[entry, image] : reader.images()) {
        if (is_interrupted()) return Error{EINTR, 0, "interrupted", "nothing was left"};
        const Result<void> made =
            make_file_of_image(place, reader.entries()[entry], image, settings.residences, settings.threads);
        if (!made) return about(reader.path_of(entry), made.error());
    }
    return {};
}

Result<void> restore(
    const Settings &settings, const std::string &path, SnapshotReader &reader, const std::string &target) {
    const auto started = std::chrono::steady_clock::now();
    SnapshotPlace place = TRY(SnapshotPlace::create(target, reader.entries(), settings.existing));
    // What stays packed needs less, and how much only its images say.
    const bool has_images = reader.totals().version > kSnapshotVersionPlain;
    const bool needs_less = has_images && settings.residences != Residences::awake;
    TRY(place.check(needs_less ? SnapshotPlace::Room::unknown : SnapshotPlace::Room::whole));
    TRY(place.stage());
    const std::uint64_t bytes = reader.totals().data_bytes;
    Progress progress(settings.display, bytes);
    const Result<void> written = write_data(settings, reader, place, progress);
    progress.finish();
    if (!written) return Error(written.error());
    if (settings.verify) TRY(compare_data(settings, path, place));
    TRY(make_files_of_images(settings, reader, place));
    TRY(place.cut(reader.cuts()));
    TRY(place.publish());
    if (place.left_out() != 0)
        std::fprintf(stderr, "gmemfs: %zu device nodes were left out: only root makes them\n", place.left_out());
    if (place.attributes_left_out() != 0)
        std::fprintf(stderr, "gmemfs: %zu trusted attributes or capabilities were left out: only root sets them\n",
            place.attributes_left_out());
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    if (settings.json)
        print({{"file", path}, {"target", target}, {"entries", reader.entries().size()}, {"bytes", bytes},
            {"left_out", place.left_out()}, {"seconds", seconds},
            {"bytes_per_second", static_cast<double>(bytes) / seconds}, {"verified", settings.verify}});
    return {};
}

// A name may hold anything: what would command the terminal is shown as an octal number.
std::string printable(const std::string &name) {
    std::string text;
    char octal[8];
    for (const char letter : name) {
        const auto code = static_cast<unsigned char>(letter);
        if (code >= 0x20 && code != 0x7f && letter != '\\') {
            text += letter;
            continue;
        }
        std::snprintf(octal, sizeof octal, "\\%03o", code);
        text += octal;
    }
    return text;
}

// "drwxr-x---", as ls(1) has it.
std::string text_of_mode(std::uint32_t mode) {
    std::string text = "?rwxrwxrwx";
    constexpr std::pair<std::uint32_t, char> kKinds[] = {{S_IFDIR, 'd'}, {S_IFREG, '-'}, {S_IFLNK, 'l'}, {S_IFIFO, 'p'},
        {S_IFSOCK, 's'}, {S_IFCHR, 'c'}, {S_IFBLK, 'b'}};
    for (const auto &[kind, letter] : kKinds)
        if ((mode & S_IFMT) == kind) text[0] = letter;
    for (std::size_t bit = 0; bit < 9; ++bit)
        if ((mode >> (8 - bit) & 1) == 0) text[bit + 1] = '-';
    const auto mark = [&](std::uint32_t bit, std::size_t at, char with, char without) {
        if ((mode & bit) != 0) text[at] = text[at] == 'x' ? with : without;
    };
    mark(S_ISUID, 3, 's', 'S');
    mark(S_ISGID, 6, 's', 'S');
    mark(S_ISVTX, 9, 't', 'T');
    return text;
}

void list(const Settings &settings, const SnapshotReader &reader) {
    nlohmann::json names = nlohmann::json::array();
    std::map<std::uint32_t, SnapshotCut> cuts;
    for (const SnapshotCut &cut : reader.cuts()) cuts.emplace(cut.entry, cut);
    for (std::uint32_t index = 0; index < reader.entries().size(); ++index) {
        const SnapshotEntry &named = reader.entries()[index];
        const std::uint32_t first = named.is_other_name() ? named.link_to : index;
        SnapshotEntry entry = reader.entries()[first];
        const auto cut = cuts.find(first);
        if (cut != cuts.end() && cut->second.is_gone) continue;
        if (cut != cuts.end()) entry.size = cut->second.size;
        const std::string path = reader.path_of(index);
        if (settings.json) {
            names.push_back({{"path", path}, {"size", entry.size}, {"mode", entry.mode}, {"uid", entry.uid},
                {"gid", entry.gid}, {"mtime", entry.modified.tv_sec}});
            continue;
        }
        const std::string target = entry.is_link() ? " -> " + printable(entry.target) : "";
        std::printf("%s %14llu %s%s\n", text_of_mode(entry.mode).c_str(), static_cast<unsigned long long>(entry.size),
            printable(path).c_str(), target.c_str());
    }
    if (settings.json) print(names);
}

Result<void> check(const Settings &settings, const std::string &path, SnapshotReader &reader) {
    Progress progress(settings.display, reader.totals().data_bytes);
    const Result<void> checked = for_each_chunk(settings, reader, progress,
        [] { return [](const SnapshotChunk &, std::span<const std::byte>) { return Result<void>(); }; });
    progress.finish();
    if (!checked) return Error(checked.error());
    if (settings.json)
        print({{"file", path}, {"entries", reader.entries().size()}, {"bytes", reader.totals().data_bytes},
            {"created", reader.totals().created}, {"verified", true}});
    return {};
}

Result<void> run(const Settings &settings, const std::vector<std::string> &parameters) {
    const std::unique_ptr<SnapshotReader> reader = TRY(SnapshotReader::open(parameters[0]));
    if (settings.list) TRY(reader->read_cuts());
    if (settings.list) return list(settings, *reader), Result<void>();
    if (settings.verify && !reader->can_be_read_again())
        return Error{EINVAL, 0, "--verify", parameters[0] + ": a pipe or a device isn't read again"};
    if (settings.check) return check(settings, parameters[0], *reader);
    return restore(settings, parameters[0], *reader, parameters[1]);
}

} // namespace

int run_restore(int argc, char **argv) {
    gboolean list = FALSE, check = FALSE, overwrite = FALSE, verify = FALSE, quiet = FALSE, json = FALSE;
    gboolean packed = FALSE, as_saved = FALSE;
    gchar *threads = nullptr;
    const std::vector<GOptionEntry> options = {
        {"list", 0, 0, G_OPTION_ARG_NONE, &list, "List modes, sizes and names, and restore nothing", nullptr},
        {"check", 0, 0, G_OPTION_ARG_NONE, &check, "Compare every checksum, and restore nothing", nullptr},
        {"packed", 0, 0, G_OPTION_ARG_NONE, &packed, "Leave files packed that the snapshot has packed", nullptr},
        {"as-saved", 0, 0, G_OPTION_ARG_NONE, &as_saved, "Leave files packed that were packed when they were saved",
            nullptr},
        {"overwrite", 0, 0, G_OPTION_ARG_NONE, &overwrite, "Replace what has the same names", nullptr},
        {"verify", 0, 0, G_OPTION_ARG_NONE, &verify, "Read everything again, and compare checksums", nullptr},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &quiet, "Show no progress", nullptr},
        {"json", 0, 0, G_OPTION_ARG_NONE, &json, "Print a summary, or the list", nullptr},
        {"threads", 0, 0, G_OPTION_ARG_STRING, &threads, "How many read and write side by side (8)", "N"},
    };
    const Synopsis synopsis = {"FILE MOUNT|FOLDER | --list FILE | --check FILE",
        "Restores a snapshot: what was in the saved folder, or the saved file, into a mount or a folder.",
        "FILE may be - for standard input. Nothing has its name before all of it has been read and its checksums are "
        "right; after an error nothing is "
        "left.\n"
        "What save --pack has packed goes to the device as it is, and is plain again there; in a folder that is no "
        "mount,\n"
        "the host unpacks it.",
        1, 2};
    const CommandLine line = parse_command_line(argc, argv, synopsis, options);
    const std::unique_ptr<gchar, decltype(&g_free)> owner(threads, g_free);
    if (line.exit_status) return *line.exit_status;
    const bool wants_folder = list == FALSE && check == FALSE;
    if ((line.parameters.size() == 2) != wants_folder || (list != FALSE && check != FALSE))
        return fail_usage("restore", std::string("it takes ") + synopsis.parameters);
    Settings settings;
    const Result<unsigned> asked = parse_threads(threads, kThreadsDefault);
    if (!asked) return fail_usage("restore", asked.error().text());
    settings.threads = *asked;
    settings.list = list != FALSE;
    settings.check = check != FALSE;
    settings.verify = verify != FALSE;
    settings.json = json != FALSE;
    if (packed != FALSE && as_saved != FALSE)
        return fail_usage("restore", "--packed and --as-saved say two things about the same files");
    if (packed != FALSE) settings.residences = Residences::packed;
    if (as_saved != FALSE) settings.residences = Residences::as_saved;
    if (overwrite != FALSE) settings.existing = SnapshotPlace::Existing::replace;
    if (quiet == FALSE && ::isatty(STDERR_FILENO) != 0) settings.display = Progress::Display::line;
    catch_interruptions();
    const Result<void> done = run(settings, line.parameters);
    if (done) return 0;
    return fail_or_interrupted(done.error());
}

} // namespace gmemfs
