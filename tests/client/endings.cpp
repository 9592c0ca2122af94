// endings: a C++ program that ends with mappings in places where destructors and handlers run late: endings HOW MOUNT
//
//     static    a static object's destructor unmaps, and a call fails there
//     atexit    so does a handler
//     thread    so does a thread-local object of a thread that ends
//     fork      a child ends by exit(3) with a copy of a global mapping
#include "client/lib/gmemfs.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

void require(bool is_so, const char *what) {
    if (is_so) return;
    std::fprintf(stderr, "endings: %s: %s\n", what, gmemfs_last_error());
    std::_Exit(1);
}

// Leaves a text that is too long for the string's own memory.
void fail_once() {
    gmemfs_file *file = nullptr;
    require(gmemfs_open("/a/path/that/is/nowhere/and/rather/long", nullptr, &file) == ENOENT, "fail");
    require(std::strstr(gmemfs_last_error(), "/a/path/that/is/nowhere/and/rather/long") != nullptr, "say so");
}

// Unmaps when it goes, and calls what fails as well. Made before the library's own statics.
struct Holder {
    std::unique_ptr<gmemfs::Mapping> mapping;
    ~Holder() {
        if (!mapping) return;
        fail_once();
        mapping.reset();
        fail_once();
    }
};
Holder held;
std::unique_ptr<gmemfs::Mapping> copied; // unmapped by the child's end as well as by the parent's
gmemfs_mapping *handled = nullptr;

void unmap_handled() {
    fail_once();
    require(gmemfs_unmap(handled) == 0, "unmap in a handler");
    fail_once();
}

} // namespace

int main(int argc, char **argv) {
    if (argc != 3) return std::fputs("usage: endings static|atexit|thread|fork MOUNT\n", stderr), 2;
    const std::string_view how = argv[1];
    if (how == "atexit") std::atexit(unmap_handled); // before the library's first call
    gmemfs::File file = gmemfs::File::create(std::string(argv[2]) + "/endings", 2 << 20);
    gmemfs::MapOptions alone;
    alone.sharing = GMEMFS_ALONE;
    fail_once();
    if (how == "static") held.mapping = std::make_unique<gmemfs::Mapping>(file.map());
    if (how == "atexit") require(gmemfs_map(nullptr, nullptr, &handled) == EBADF, "refuse no file");
    if (how == "atexit") {
        gmemfs_file *again = nullptr;
        require(gmemfs_open((std::string(argv[2]) + "/endings").c_str(), nullptr, &again) == 0, "open");
        require(gmemfs_map(again, nullptr, &handled) == 0, "map");
    }
    if (how == "thread")
        std::thread([&] {
            thread_local Holder own;
            fail_once();
            own.mapping = std::make_unique<gmemfs::Mapping>(file.map());
        }).join();
    if (how != "fork") return 0;
    copied = std::make_unique<gmemfs::Mapping>(file.map(alone));
    const pid_t child = fork();
    if (child == 0) std::exit(0);
    int status = -1;
    require(waitpid(child, &status, 0) == child && status == 0, "end a child");
    gmemfs_mapping *other = nullptr;
    gmemfs_file *again = nullptr;
    require(gmemfs_open((std::string(argv[2]) + "/endings").c_str(), nullptr, &again) == 0, "open");
    require(gmemfs_map(again, nullptr, &other) == EBUSY, "keep a lease over a child's end");
    return 0;
}
