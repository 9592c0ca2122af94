// gmemfs: the one command: a table of subcommands.
//
//     gmemfs COMMAND ...                    a row of the table
//     gmemfs SOURCE MOUNTPOINT -o OPTIONS   what mount.fuse3 calls for `mount -t fuse.gmemfs`: means mount
#include "fuse/process/inheritance.hpp"
#include "tools/host/command.hpp"

#include <cstdio>
#include <string_view>

namespace gmemfs {
namespace {

struct Subcommand {
    std::string_view name;
    int (*run)(int argc, char **argv);
    const char *summary; // null: not for people
};

constexpr Subcommand kSubcommands[] = {
    {"mount", run_mount, "mount a filesystem whose files are GPU memory"},
    {"umount", run_umount, "unmount it, also when its server has died"},
    {"restart", run_restart, "start another server for a mount, after an upgrade"},
    {"stat", run_stat, "a file's memory: extents, handles, parity; or a mount's counters"},
    {"cp", run_cp, "copy files into a mount and out of it, past FUSE"},
    {"mv", run_mv, "move files as mv does, also from one device to another"},
    {"pull", run_pull, "fetch files from another host"},
    {"push", run_push, "send files to another host"},
    {"save", run_save, "save a mount, a folder or a file into a snapshot on disk"},
    {"restore", run_restore, "put a snapshot back, into a mount or a folder; list it, check it"},
    {"verify", run_verify, "compare files with their parity"},
    {"scrub", run_scrub, "compare files with their parity, and repair them"},
    {"seal", run_seal, "make the parity of files that peers have written to fit"},
    {"pack", run_pack, "make files take less memory where they lie"},
    {"unpack", run_unpack, "give packed files plain memory again"},
    {"block", run_block, "serve a file as a block device"},
    {"swap", run_swap, "swap to GPU memory"},
    {"run", run_run, "run a program whose device memory is files of a mount"},
    {"pool", run_pool, "what such programs have"},
    {"inject", run_inject, "damage a file on purpose, where the mount allows it"},
    {"df", run_df, "how much device memory each mount uses"},
    {"doctor", run_doctor, "what this machine can do, and the fix for what it cannot"},
    {"test", run_test, "a self-test of a device: its memory, and parity on it"},
    {"bench", run_bench, "what a device reaches by itself: copies, clearing, parity"},
    {"version", run_version, "versions of gmemfs, libfuse, CUDA and the driver"},
    {"send", run_send, nullptr},
    {"receive", run_receive, nullptr},
    {"nixl", run_nixl, nullptr},
    {"keeper", run_keeper, nullptr},
    {"probe", run_probe, nullptr},
};

const Subcommand *find(std::string_view name) {
    for (const Subcommand &subcommand : kSubcommands)
        if (subcommand.name == name) return &subcommand;
    return nullptr;
}

int print_help(std::FILE *file) {
    std::fputs("usage: gmemfs COMMAND [OPTION...]\n\nA filesystem whose files are GPU memory.\n\n", file);
    for (const Subcommand &subcommand : kSubcommands)
        if (subcommand.summary != nullptr)
            std::fprintf(file, "  %-8s %s\n", subcommand.name.data(), subcommand.summary);
    std::fputs("\n`gmemfs COMMAND --help` says how a command is called; `man gmemfs` says more.\n"
               "First steps: gmemfs doctor; gmemfs mount /mnt/gpu; truncate -s 1G /mnt/gpu/buffer\n",
        file);
    return file == stdout ? 0 : kUsage;
}

// `gmemfs help COMMAND` is `gmemfs COMMAND --help`.
int print_command_help(const char *name) {
    const Subcommand *subcommand = find(name);
    if (subcommand == nullptr) {
        std::fprintf(stderr, "gmemfs: no such command: %s; `gmemfs --help` lists them\n", name);
        return kUsage;
    }
    std::string command(name);
    std::string help = "--help";
    char *arguments[] = {command.data(), help.data(), nullptr};
    return subcommand->run(2, arguments);
}

// mount.fuse3 gives the source first; it becomes the option that shows it in /proc/mounts.
int mount_from_fstab(int argc, char **argv) {
    std::string name = "mount";
    std::string flag = "-o";
    std::string source_option = std::string("fsname=") + argv[1];
    std::vector<char *> arguments = {name.data(), argv[2], flag.data(), source_option.data()};
    arguments.insert(arguments.end(), argv + 3, argv + argc);
    arguments.push_back(nullptr);
    return run_mount(static_cast<int>(arguments.size()) - 1, arguments.data());
}

int run(int argc, char **argv) {
    if (argc < 2) return print_help(stderr);
    const std::string_view first = argv[1];
    if (first == "--help" || first == "-h") return print_help(stdout);
    if (first == "help") return argc == 2 ? print_help(stdout) : print_command_help(argv[2]);
    if (first == "--version" || first == "-V") return run_version(1, argv + 1);
    if (const Subcommand *subcommand = find(first)) return subcommand->run(argc - 1, argv + 1);
    if (argc >= 4 && std::string_view(argv[3]).starts_with("-o")) return mount_from_fstab(argc, argv);
    std::fprintf(stderr, "gmemfs: no such command: %s; `gmemfs --help` lists them\n", argv[1]);
    return kUsage;
}

} // namespace
} // namespace gmemfs

int main(int argc, char **argv) {
    gmemfs::complete_standard_descriptors();
    return gmemfs::finish_output(gmemfs::run(argc, argv));
}
