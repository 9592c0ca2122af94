/* c_test: the C interface as a C program uses it: c_test MOUNT */
#include "client/lib/gmemfs.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static char path[4096];

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "c_test:%d: %s; last error: %s\n", __LINE__, #condition, gmemfs_last_error());             \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static gmemfs_file *open_file(const char *folder, const char *name, uint64_t size) {
    gmemfs_open_options options = {0};
    gmemfs_file *file = NULL;
    options.struct_size = sizeof options;
    options.flags = GMEMFS_CREATE;
    options.size = size;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK(gmemfs_open(path, &options, &file) == 0);
    return file;
}

static gmemfs_mapping_info info_of(gmemfs_mapping *mapping) {
    gmemfs_mapping_info info = {0};
    info.struct_size = sizeof info;
    CHECK(gmemfs_get_info(mapping, &info) == 0);
    return info;
}

static gmemfs_mapping *map_by(gmemfs_file *file, int handles, int sharing, uint64_t address, int expected) {
    gmemfs_map_options options = {0};
    gmemfs_mapping *mapping = NULL;
    options.struct_size = sizeof options;
    options.handles = handles;
    options.sharing = sharing;
    options.address = address;
    CHECK(gmemfs_map(file, &options, &mapping) == expected);
    return mapping;
}

static void test_open(const char *mount) {
    uint64_t size = 0;
    int device = -1;
    struct stat status;
    gmemfs_file *file = open_file(mount, "open", 3 << 20);
    CHECK(gmemfs_get_size(file, &size) == 0 && size == 3 << 20);
    CHECK(gmemfs_set_size(file, 5 << 20) == 0);
    CHECK(fstat(gmemfs_get_fd(file), &status) == 0 && status.st_size == 5 << 20 && (status.st_mode & 0777) == 0600);
    CHECK(gmemfs_get_device(file, &device) == 0 && device == 0);
    CHECK(gmemfs_seal(file) == 0);
    gmemfs_close(file);
    CHECK(gmemfs_open("/nowhere/at/all", NULL, &file) == ENOENT && strstr(gmemfs_last_error(), "/nowhere") != NULL);
    CHECK(gmemfs_open("/dev/null", NULL, &file) == ENOTTY && strstr(gmemfs_last_error(), "no gmemfs mount") != NULL);
    CHECK(gmemfs_last_driver_error() == 0);
    gmemfs_close(NULL);
}

static void test_options(const char *mount) {
    struct {
        gmemfs_open_options known;
        uint64_t newer;
    } options;
    gmemfs_file *file = NULL;
    memset(&options, 0, sizeof options);
    snprintf(path, sizeof path, "%s/open", mount);
    CHECK(gmemfs_open(path, &options.known, &file) == EINVAL); /* its size isn't set */
    options.known.struct_size = sizeof options;
    CHECK(gmemfs_open(path, &options.known, &file) == 0); /* of a later version, and not used */
    gmemfs_close(file);
    options.newer = 1;
    CHECK(gmemfs_open(path, &options.known, &file) == E2BIG);
    options.known.struct_size = offsetof(gmemfs_open_options, mode); /* of an earlier version */
    options.known.mode = 1;
    CHECK(gmemfs_open(path, &options.known, &file) == 0);
    gmemfs_close(file);
}

static void test_map(const char *mount) {
    gmemfs_file *file = open_file(mount, "map", 5 << 20);
    gmemfs_mapping *one = map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_SHARED, 0, 0);
    gmemfs_mapping *two = map_by(file, GMEMFS_HANDLES_FD, GMEMFS_SHARED, 0, 0);
    gmemfs_mapping_info info = info_of(two);
    uint64_t address;
    int fd = -1;
    CHECK(info.size == 5 << 20 && info.length == 6 << 20 && info.device == 0 && info.extent_count == 1);
    CHECK(info.handles == GMEMFS_HANDLES_FD && info.address != info_of(one).address);
    map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_ALONE, 0, EBUSY);
    CHECK(strstr(gmemfs_last_error(), "lease") != NULL);
    CHECK(gmemfs_get_dma_buf(two, 0, 8 << 20, &fd) == EINVAL);
    if (gmemfs_get_dma_buf(two, 0, 2 << 20, &fd) == 0) { /* a card has them, the simulator hasn't */
        CHECK(fd >= 0 && close(fd) == 0);
    } else {
        /* It needs a context, and this program has none. */
        CHECK(gmemfs_get_dma_buf(two, 0, 2 << 20, &fd) == EINVAL && gmemfs_last_driver_error() != 0);
    }
    /* A wished address: taken, and then free. */
    address = info.address;
    map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_SHARED, address, EADDRINUSE);
    CHECK(gmemfs_unmap(two) == 0);
    two = map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_SHARED, address, 0);
    CHECK(info_of(two).address == address);
    gmemfs_close(file); /* the mappings stay */
    CHECK(gmemfs_unmap(one) == 0 && gmemfs_unmap(two) == 0 && gmemfs_unmap(NULL) == 0);
    file = open_file(mount, "empty", 0);
    map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_SHARED, 0, ENODATA);
    gmemfs_close(file);
}

static gmemfs_entry entry_of(gmemfs_directory *directory, size_t index, int code) {
    gmemfs_entry entry = {0};
    entry.struct_size = sizeof entry;
    CHECK(gmemfs_get_entry(directory, index, &entry) == 0);
    CHECK(entry.code == code && (entry.mapping == NULL) == (code != 0) && (entry.text[0] == 0) == (code == 0));
    return entry;
}

static void test_directory(const char *mount) {
    const int device = 0;
    gmemfs_map_options options = {0};
    gmemfs_mapping_info info;
    gmemfs_mapping *one;
    gmemfs_entry empty;
    gmemfs_directory *directory = NULL;
    int handles;
    char folder[4000];
    snprintf(folder, sizeof folder, "%s/directory", mount);
    CHECK(mkdir(folder, 0700) == 0);
    CHECK(gmemfs_map_directory(folder, NULL, NULL, &directory) == 0 && gmemfs_get_entry_count(directory) == 0);
    gmemfs_free_directory(directory);
    gmemfs_close(open_file(folder, "a", 3 << 20));
    gmemfs_close(open_file(folder, "b", 0));
    gmemfs_close(open_file(folder, "c", 1 << 20));
    options.struct_size = sizeof options;
    for (handles = GMEMFS_HANDLES_ANY; handles <= GMEMFS_HANDLES_FD; handles += GMEMFS_HANDLES_FD) {
        options.handles = handles;
        CHECK(gmemfs_map_directory(folder, &options, NULL, &directory) == 0);
        CHECK(gmemfs_get_entry_count(directory) == 3);
        one = entry_of(directory, 2, 0).mapping;
        info = info_of(one);
        CHECK(info.size == 1 << 20 && info.length == 2 << 20);
        CHECK(handles == GMEMFS_HANDLES_ANY || info.handles == handles);
        empty = entry_of(directory, 1, ENODATA);
        CHECK(strcmp(empty.name, "b") == 0 && strstr(empty.text, "directory/b") != NULL);
        CHECK(gmemfs_get_entry(directory, 3, &empty) == EINVAL);
        CHECK(strcmp(entry_of(directory, 0, 0).name, "a") == 0);
        CHECK(gmemfs_unmap(entry_of(directory, 0, 0).mapping) == 0);
        gmemfs_free_directory(directory);
        CHECK(info_of(one).address == info.address && gmemfs_unmap(one) == 0);
    }
    options.address = 1 << 21;
    CHECK(gmemfs_map_directory(folder, &options, NULL, &directory) == EINVAL);
    options.address = 0;
    options.sharing = 7;
    CHECK(gmemfs_map_directory(folder, &options, NULL, &directory) == EINVAL);
    options.sharing = GMEMFS_SHARED;
    options.reach = 2;
    CHECK(gmemfs_map_directory(folder, &options, NULL, &directory) == EINVAL);
    options.reach = GMEMFS_REACH_OWN;
    options.devices = &device;
    options.device_count = 1;
    CHECK(gmemfs_map_directory(folder, &options, NULL, &directory) == EINVAL); /* own, and another one */
    options.device_count = 0;
    CHECK(gmemfs_map_directory(folder, &options, NULL, &directory) == 0);
    CHECK(gmemfs_unmap(entry_of(directory, 0, 0).mapping) == 0 && gmemfs_unmap(entry_of(directory, 2, 0).mapping) == 0);
    gmemfs_free_directory(directory);
    snprintf(path, sizeof path, "%s/directory/a", mount);
    CHECK(gmemfs_map_directory(path, NULL, NULL, &directory) == ENOTDIR);
    CHECK(gmemfs_map_directory("/", NULL, NULL, &directory) == ENOTTY);
    gmemfs_free_directory(NULL);
}

static void *map_often(void *file) {
    int round;
    for (round = 0; round < 50; ++round) {
        gmemfs_mapping *mapping = map_by(file, round % 2 ? GMEMFS_HANDLES_FD : GMEMFS_HANDLES_ANY, GMEMFS_SHARED, 0, 0);
        CHECK(info_of(mapping).size == 2 << 20 && gmemfs_unmap(mapping) == 0);
    }
    return NULL;
}

static void test_threads(const char *mount) {
    pthread_t threads[8];
    int index;
    gmemfs_file *file = open_file(mount, "threads", 2 << 20);
    for (index = 0; index < 8; ++index) CHECK(pthread_create(&threads[index], NULL, map_often, file) == 0);
    for (index = 0; index < 8; ++index) pthread_join(threads[index], NULL);
    gmemfs_close(file);
}

/* Nothing is made, cut or replaced outside a mount, nor anywhere without a driver. */
static void test_looks_first(const char *mount) {
    gmemfs_open_options options = {0};
    gmemfs_file *file = NULL;
    struct stat status;
    char folder[] = "/tmp/gmemfs-c-test-XXXXXX";
    int fd;
    options.struct_size = sizeof options;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/precious", folder);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    CHECK(fd >= 0 && write(fd, "precious", 8) == 8);
    (void)fsetxattr(fd, "user.gmemfs.socket", "@x", 2, 0); /* any file of one's own can say so */
    options.flags = GMEMFS_CREATE | GMEMFS_TRUNCATE;
    options.size = 1 << 20;
    CHECK(gmemfs_open(path, &options, &file) == ENOTTY && fstat(fd, &status) == 0 && status.st_size == 8);
    CHECK(close(fd) == 0 && unlink(path) == 0);
    CHECK(gmemfs_open(path, &options, &file) == ENOTTY && access(path, F_OK) != 0);
    CHECK(rmdir(folder) == 0);
    snprintf(path, sizeof path, "%s/driverless", mount);
    options.driver = "/no/such/driver";
    CHECK(gmemfs_open(path, &options, &file) == ENOENT && access(path, F_OK) != 0);
    options.driver = NULL;
    options.size = UINT64_MAX;
    CHECK(gmemfs_open(path, &options, &file) == EFBIG && access(path, F_OK) != 0);
    snprintf(path, sizeof path, "%s/kept", mount);
    gmemfs_close(open_file(mount, "kept", 3 << 20));
    options.size = 0;
    options.driver = "/no/such/driver";
    CHECK(gmemfs_open(path, &options, &file) == ENOENT && stat(path, &status) == 0 && status.st_size == 3 << 20);
    options.driver = NULL;
    CHECK(gmemfs_open(path, &options, &file) == 0 && stat(path, &status) == 0 && status.st_size == 0);
    gmemfs_close(file);
    options.flags = GMEMFS_CREATE | GMEMFS_EXCLUSIVE;
    CHECK(gmemfs_open(path, &options, &file) == EEXIST);
    snprintf(path, sizeof path, "%s/folder-is-missing/f", mount);
    CHECK(gmemfs_open(path, &options, &file) == ENOENT);
    CHECK(gmemfs_open("", &options, &file) == ENOENT && gmemfs_open(mount, &options, &file) == EEXIST);
}

static void test_ended_objects(const char *mount) {
    gmemfs_file *file = open_file(mount, "ended", 2 << 20);
    gmemfs_mapping *mapping = map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_SHARED, 0, 0);
    gmemfs_mapping *none = NULL;
    gmemfs_mapping_info info = {0};
    uint64_t size;
    info.struct_size = sizeof info;
    gmemfs_close(file);
    gmemfs_close(file);
    CHECK(gmemfs_get_size(file, &size) == EBADF && gmemfs_get_fd(file) == -1 && gmemfs_map(file, NULL, &none) == EBADF);
    CHECK(gmemfs_unmap(mapping) == 0 && gmemfs_unmap(mapping) == EBADF && gmemfs_get_info(mapping, &info) == EBADF);
    gmemfs_release(mapping);
    gmemfs_release(NULL);
}

/* The unversioned struct of dlpack.h. */
struct tensor {
    void *data;
    int32_t device_type, device_id, ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
    void *manager;
    void (*deleter)(struct tensor *);
};

static void *delete_tensor(void *tensor) {
    ((struct tensor *)tensor)->deleter(tensor);
    return NULL;
}

static void test_tensor(const char *mount) {
    const int64_t shape[] = {2, 3, 4};
    gmemfs_tensor_options options = {0};
    gmemfs_file *file = open_file(mount, "tensor", 2 << 20);
    gmemfs_mapping *mapping = map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_ALONE, 0, 0);
    void *made = NULL;
    struct tensor *tensor;
    pthread_t thread;
    options.struct_size = sizeof options;
    options.address = info_of(mapping).address;
    options.device_type = 2;
    options.dtype_code = 2;
    options.dtype_bits = 32;
    options.ndim = 3;
    options.shape = shape;
    CHECK(gmemfs_make_tensor(mapping, &options, &made) == 0);
    tensor = made;
    CHECK((uint64_t)(uintptr_t)tensor->data == options.address && tensor->ndim == 3 && tensor->bits == 32);
    CHECK(memcmp(tensor->shape, shape, sizeof shape) == 0);
    CHECK(tensor->strides[0] == 12 && tensor->strides[1] == 4 && tensor->strides[2] == 1);
    gmemfs_release(mapping);
    map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_ALONE, 0, EBUSY); /* the tensor holds it */
    CHECK(pthread_create(&thread, NULL, delete_tensor, tensor) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(gmemfs_unmap(map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_ALONE, 0, 0)) == 0);
    options.flags = 64;
    CHECK(gmemfs_make_tensor(NULL, &options, &made) == EINVAL);
    gmemfs_close(file);
}

static void test_wait(const char *mount) {
    const int first[] = {0}, none[] = {99};
    gmemfs_wait_options options = {0};
    gmemfs_close(open_file(mount, "wait", 2 << 20));
    CHECK(gmemfs_wait(NULL) == 0); /* no device has a context here, and none is made */
    CHECK(gmemfs_wait(&options) == EINVAL);
    options.struct_size = sizeof options;
    options.devices = first;
    options.device_count = 1;
    CHECK(gmemfs_wait(&options) == 0);
    options.devices = NULL;
    CHECK(gmemfs_wait(&options) == EINVAL);
    options.devices = none;
    CHECK(gmemfs_wait(&options) == ENODEV && strstr(gmemfs_last_error(), "99") != NULL);
    options.device_count = 0;
    CHECK(gmemfs_wait(&options) == 0);
    options.driver = "/no/such/driver.so";
    CHECK(gmemfs_wait(&options) == ENOENT);
}

static int fd_count(void) {
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (readdir(folder) != NULL) ++count;
    closedir(folder);
    return count;
}

static void test_descriptors(const char *mount) {
    gmemfs_file *file = open_file(mount, "descriptors", 2 << 20);
    gmemfs_mapping *mappings[50];
    int before, index;
    CHECK(gmemfs_unmap(map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_SHARED, 0, 0)) == 0);
    before = fd_count(); /* with the connection's, which stays */
    for (index = 0; index < 50; ++index) mappings[index] = map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_SHARED, 0, 0);
    gmemfs_close(file);
    CHECK(fd_count() == before - 1); /* the file's less */
    for (index = 0; index < 50; ++index) CHECK(gmemfs_unmap(mappings[index]) == 0);
    CHECK(fd_count() == before - 1);
}

/* One connection serves many files, and an error names the one that it is about. */
static void test_names(const char *mount) {
    gmemfs_file *first = open_file(mount, "names-first", 2 << 20), *second = open_file(mount, "names-second", 2 << 20);
    gmemfs_file *none = open_file(mount, "names-none", 0);
    gmemfs_mapping *const other = map_by(first, GMEMFS_HANDLES_ANY, GMEMFS_SHARED, 0, 0);
    gmemfs_mapping *const alone = map_by(second, GMEMFS_HANDLES_ANY, GMEMFS_ALONE, 0, 0);
    map_by(second, GMEMFS_HANDLES_ANY, GMEMFS_SHARED, 0, EBUSY);
    CHECK(strstr(gmemfs_last_error(), "names-second") != NULL && strstr(gmemfs_last_error(), "names-first") == NULL);
    CHECK(gmemfs_unmap(alone) == 0 && gmemfs_unmap(other) == 0);
    map_by(none, GMEMFS_HANDLES_ANY, GMEMFS_SHARED, 0, ENODATA);
    CHECK(strstr(gmemfs_last_error(), "names-none") != NULL);
    gmemfs_close(first);
    gmemfs_close(second);
    gmemfs_close(none);
}

/* A copy of the process ends nothing, and is told to start anew. */
static void test_fork(const char *mount) {
    gmemfs_file *file = open_file(mount, "fork", 2 << 20);
    gmemfs_mapping *mapping = map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_ALONE, 0, 0);
    int status = -1;
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        gmemfs_mapping *other = NULL;
        if (gmemfs_map(file, NULL, &other) != ECHILD || strstr(gmemfs_last_error(), "anew") == NULL) _exit(1);
        if (gmemfs_open(path, NULL, &file) != ECHILD || gmemfs_unmap(mapping) != 0) _exit(2);
        if (gmemfs_wait(NULL) != ECHILD) _exit(3);
        gmemfs_release(mapping);
        gmemfs_close(file);
        exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    map_by(file, GMEMFS_HANDLES_ANY, GMEMFS_SHARED, 0, EBUSY);
    CHECK(gmemfs_unmap(mapping) == 0);
    gmemfs_close(file);
}

struct shared {
    gmemfs_file *file;
    gmemfs_mapping *mapping;
};

static void *end_both(void *objects) {
    gmemfs_close(((struct shared *)objects)->file);
    (void)gmemfs_unmap(((struct shared *)objects)->mapping);
    return NULL;
}

static void *use_both(void *objects) {
    struct shared *const shared = objects;
    gmemfs_mapping *mapping = NULL;
    gmemfs_mapping_info info = {0};
    int code = gmemfs_map(shared->file, NULL, &mapping);
    info.struct_size = sizeof info;
    CHECK(code == 0 || code == EBADF);
    CHECK(code != 0 || gmemfs_unmap(mapping) == 0);
    code = gmemfs_get_info(shared->mapping, &info);
    CHECK(code == 0 || code == EBADF);
    return NULL;
}

static void test_ending_meanwhile(const char *mount) {
    int round, index;
    for (round = 0; round < 100; ++round) {
        struct shared shared;
        pthread_t threads[4];
        shared.file = open_file(mount, "meanwhile", 2 << 20);
        shared.mapping = map_by(shared.file, GMEMFS_HANDLES_ANY, GMEMFS_SHARED, 0, 0);
        for (index = 0; index < 4; ++index)
            CHECK(pthread_create(&threads[index], NULL, index == 1 ? end_both : use_both, &shared) == 0);
        for (index = 0; index < 4; ++index) pthread_join(threads[index], NULL);
    }
}

static void test_allocators(const char *mount) {
    char folder[300], path[400], text[4];
    struct stat status;
    int file, numbers[GMEMFS_ALLOCATORS], number = -1;
    void *block, *other;
    void *library = dlopen("libgmemfs.so.0", RTLD_NOW);
    void *(*allocate)(ptrdiff_t, int, void *);
    void (*give)(void *, ptrdiff_t, int, void *);
    CHECK(library != NULL);
    *(void **)&allocate = dlsym(library, "gmemfs_allocate_in_0");
    *(void **)&give = dlsym(library, "gmemfs_free_in_0");
    CHECK(allocate != NULL && give != NULL && dlsym(library, "gmemfs_free_in_15") != NULL);
    snprintf(folder, sizeof folder, "%s/allocator", mount);
    CHECK(gmemfs_open_allocator(folder, NULL, &number) == ENOENT);
    CHECK(gmemfs_open_allocator("/tmp", NULL, &number) == ENOTTY);
    CHECK(allocate(1 << 20, 0, NULL) == NULL); /* none is open */
    CHECK(mkdir(folder, 0700) == 0 && gmemfs_open_allocator(folder, NULL, &number) == 0 && number == 0);
    block = allocate(3 << 20, 0, NULL);
    other = allocate(1000, 0, NULL);
    CHECK(block != NULL && other != NULL && block != other);
    snprintf(path, sizeof path, "%s/block-%d-000001", folder, (int)getpid());
    CHECK(access(path, F_OK) == 0);
    give(other, 1000, 0, NULL);
    CHECK(access(path, F_OK) != 0);
    CHECK(allocate((ptrdiff_t)1 << 50, 0, NULL) == NULL && strstr(gmemfs_last_error(), "block-") != NULL);
    CHECK(allocate(1000, 99, NULL) == NULL);
    path[strlen(path) - 1] = '0';
    CHECK(gmemfs_pause_allocator(1, 0) == EBADF && gmemfs_resume_allocator(-1) == EBADF);
    CHECK(gmemfs_pause_allocator(0, 2) == EINVAL);
    file = open(path, O_RDWR | O_CLOEXEC);
    CHECK(file >= 0 && pwrite(file, "kept", 4, 1 << 20) == 4);
    CHECK(gmemfs_pause_allocator(0, GMEMFS_PAUSE_KEEP) == 0 && gmemfs_resume_allocator(0) == 0);
    CHECK(pread(file, text, 4, 1 << 20) == 4 && memcmp(text, "kept", 4) == 0);
    CHECK(gmemfs_pause_allocator(0, 0) == 0 && fstat(file, &status) == 0 && status.st_size == 0);
    CHECK(gmemfs_resume_allocator(0) == 0 && pread(file, text, 4, 1 << 20) == 4 && memcmp(text, "\0\0\0", 4) == 0);
    close(file);
    CHECK(access(path, F_OK) == 0 && gmemfs_close_allocator(0) == 0 && access(path, F_OK) != 0);
    CHECK(gmemfs_close_allocator(0) == EBADF && allocate(1000, 0, NULL) == NULL && rmdir(folder) == 0 &&
          mkdir(folder, 0700) == 0);
    for (number = 1; number < GMEMFS_ALLOCATORS; ++number) /* 0 has a block */
        CHECK(gmemfs_open_allocator(folder, NULL, &numbers[number]) == 0 && numbers[number] == number);
    CHECK(gmemfs_open_allocator(folder, NULL, &numbers[0]) == EMFILE);
    give(block, 3 << 20, 0, NULL);
    CHECK(gmemfs_open_allocator(folder, NULL, &numbers[0]) == 0 && numbers[0] == 0);
    for (number = 0; number < GMEMFS_ALLOCATORS; ++number) CHECK(gmemfs_close_allocator(number) == 0);
    CHECK(rmdir(folder) == 0);
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "usage: c_test MOUNT\n"), 2;
    CHECK(strcmp(gmemfs_get_version(), "") != 0);
    test_open(argv[1]);
    test_options(argv[1]);
    test_map(argv[1]);
    test_directory(argv[1]);
    test_threads(argv[1]);
    test_looks_first(argv[1]);
    test_ended_objects(argv[1]);
    test_tensor(argv[1]);
    test_wait(argv[1]);
    test_allocators(argv[1]);
    test_descriptors(argv[1]);
    test_names(argv[1]);
    test_fork(argv[1]);
    test_ending_meanwhile(argv[1]);
    return 0;
}
