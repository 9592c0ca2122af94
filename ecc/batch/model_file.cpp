// CostModel, file: the model as lines of text, read as strictly as what others may have written.
#include "ecc/batch/model.hpp"

#include "ecc/pack/crc32c.hpp"
#include "vmm/base/all_bytes.hpp"
#include "vmm/base/fd.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <initializer_list>
#include <span>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace gmemfs {
namespace {

constexpr const char *kDoing = "read model of batches";
constexpr const char *kFirstLine = "gmemfs batch model 1";
constexpr std::size_t kFileMax = 1 * MiB;
constexpr std::uint64_t kNsMax = std::uint64_t{1} << 50; // two weeks

std::uint32_t checksum(const std::string &text) { return crc32c(std::as_bytes(std::span(text))); }

std::string hex(std::uint32_t value) {
    std::array<char, 9> text = {};
    std::snprintf(text.data(), text.size(), "%08x", value);
    return text.data();
}

std::string variable(const char *name) {
    const char *const value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): read only
    return value == nullptr ? "" : value;
}

// $XDG_CACHE_HOME/gmemfs, or ~/.cache/gmemfs. Empty where neither variable says.
std::string model_folder() {
    // A path that isn't absolute is none, as the XDG base directory specification has it.
    if (const std::string cache = variable("XDG_CACHE_HOME"); !cache.empty() && cache.front() == '/')
        return cache + "/gmemfs";
    const std::string home = variable("HOME");
    return home.empty() || home.front() != '/' ? "" : home + "/.cache/gmemfs";
}

Error damaged(const std::string &why) {
    return Error{EBADMSG, 0, kDoing, why + ": make it anew by `gmemfs bench --pack`"};
}

template <typename Value>
bool parse_name(const std::string &word, std::initializer_list<Value> values, Value &value) {
    for (const Value each : values)
        if (word == name_of(each)) {
            value = each;
            return true;
        }
    return false;
}

// "pack lz4 host cpu 4096 1000 1234567"
bool parse_line(const std::string &line, CostKind &kind, CostPoint &point) {
    std::istringstream words(line);
    std::string direction, algorithm, memory, backend, rest;
    if (!(words >> direction >> algorithm >> memory >> backend >> kind.page_size >> point.page_count >> point.ns))
        return false;
    return !(words >> rest) && kind.page_size > 0 && kind.page_size <= kPageSizeMax && point.page_count > 0 &&
           point.ns > 0 && point.ns < kNsMax && point.page_count < UINT32_MAX &&
           parse_name(direction, {Direction::pack, Direction::unpack}, kind.direction) &&
           parse_name(algorithm, {Algorithm::lz4, Algorithm::zstd}, kind.algorithm) &&
           parse_name(memory, {PageMemory::host, PageMemory::device}, kind.memory) &&
           parse_name(backend, {Backend::cpu, Backend::gpu}, kind.backend);
}

Result<void> make_folder(const std::string &path) {
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
        if (::mkdir(path.substr(0, slash).c_str(), 0700) != 0 && errno != EEXIST)
            return Error{errno, 0, "make folder", path.substr(0, slash)};
    return {};
}

} // namespace

std::string format_model(const CostModel &model, const std::string &machine) {
    std::ostringstream text;
    text << kFirstLine << "\nmachine " << machine << '\n';
    for (const auto &[kind, points] : model.curves())
        for (const CostPoint &point : points)
            text << name_of(kind.direction) << ' ' << name_of(kind.algorithm) << ' ' << name_of(kind.memory) << ' '
                 << name_of(kind.backend) << ' ' << kind.page_size << ' ' << point.page_count << ' ' << point.ns
                 << '\n';
    return text.str() + "checksum " + hex(checksum(text.str())) + '\n';
}

Result<CostModel> parse_model(const std::string &text, const std::string &machine) {
    constexpr std::size_t kLastLine = sizeof "checksum 01234567"; // and its end
    if (text.size() < kLastLine) return damaged("it is cut short");
    const std::string body = text.substr(0, text.size() - kLastLine);
    if (text.substr(body.size()) != "checksum " + hex(checksum(body)) + '\n') return damaged("its checksum is wrong");
    std::istringstream lines(body);
    std::string line;
    std::getline(lines, line);
    if (line != kFirstLine) return damaged("it is of another version");
    std::getline(lines, line);
    if (line != "machine " + machine)
        return Error{ESTALE, 0, kDoing, "it is of another machine: make one by `gmemfs bench --pack`"};
    CostModel model;
    while (std::getline(lines, line)) {
        CostKind kind;
        CostPoint point = {};
        if (!parse_line(line, kind, point)) return damaged("no such line: " + line);
        model.add(kind, point);
    }
    return model;
}

std::string model_path(const std::string &machine) {
    const std::string folder = model_folder();
    return folder.empty() ? "" : folder + "/batch-model-" + hex(checksum(machine));
}

Result<CostModel> read_model(const std::string &path, const std::string &machine) {
    if (path.empty()) return Error{ENOENT, 0, kDoing, "neither $XDG_CACHE_HOME nor $HOME is set"};
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) return Error{errno, 0, kDoing, path};
    std::string text(kFileMax, '\0');
    const Result<std::size_t> size = read_until_end(file.get(), std::as_writable_bytes(std::span(text)), 0, never);
    if (!size) return Error{size.error().code, 0, kDoing, path};
    text.resize(*size);
    Result<CostModel> model = parse_model(text, machine);
    if (!model) return about(path, model.error());
    return model;
}

Result<void> write_model(const std::string &path, const CostModel &model, const std::string &machine) {
    constexpr const char *kWriting = "write model of batches";
    if (path.empty()) return Error{ENOENT, 0, kWriting, "neither $XDG_CACHE_HOME nor $HOME is set"};
    TRY(make_folder(path));
    const std::string text = format_model(model, machine), partial = path + '.' + std::to_string(::getpid());
    const Fd file(::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return Error{errno, 0, kWriting, partial};
    Result<void> written = write_all(file.get(), std::as_bytes(std::span(text)), never);
    if (written && ::rename(partial.c_str(), path.c_str()) != 0) written = Error{errno};
    if (written) return {};
    ::unlink(partial.c_str());
    return Error{written.error().code, 0, kWriting, path};
}

} // namespace gmemfs
