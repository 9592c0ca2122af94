// Unit tests: every call that a journal makes of its file and folder fails, in turn: what was acknowledged is there.
#include "fuse/core/journal/journal.hpp"
#include "tests/support/journal_file.hpp"
#include "tests/support/simulation.hpp"

#include <cerrno>
#include <set>

namespace gmemfs {
namespace {

using test::must;

// A disk of which the call of a number fails, and does half of what it was to do where that is possible.
class FailingFiles : public RecordFiles {
public:
    FailingFiles(unsigned failing, int code) : failing_(failing), code_(code) {}

    Result<std::unique_ptr<RecordFile>> open(const std::string &path) const override {
        TRY(call("open"));
        return wrap(on_disk().open(path));
    }
    Result<std::unique_ptr<RecordFile>> create(const std::string &path) const override {
        TRY(call("create"));
        return wrap(on_disk().create(path));
    }
    Result<void> rename(const std::string &from, const std::string &to) const override {
        TRY(call("rename"));
        return on_disk().rename(from, to);
    }
    void remove(const std::string &path) const override { on_disk().remove(path); }

    const char *failed() const { return failed_; } ///< the call that has failed; null: there were not so many

private:
    class FailingFile : public RecordFile {
    public:
        FailingFile(const FailingFiles &files, std::unique_ptr<RecordFile> file)
            : files_(files), file_(std::move(file)) {}
        Result<std::vector<std::byte>> read() const override {
            TRY(files_.call("read"));
            return file_->read();
        }
        Result<void> write(std::span<const std::byte> bytes) override {
            const Result<void> called = files_.call("write");
            if (!called) must(file_->write(bytes.first(bytes.size() / 2)));
            return called ? file_->write(bytes) : called;
        }
        Result<void> cut(std::uint64_t end) override {
            TRY(files_.call("cut"));
            return file_->cut(end);
        }
        std::uint64_t end() const override { return file_->end(); }
        Result<void> reserve(std::size_t size) override {
            TRY(files_.call("reserve"));
            return file_->reserve(size);
        }
        void append(std::uint64_t head, std::span<const std::byte> body) override { file_->append(head, body); }

    private:
        const FailingFiles &files_;
        std::unique_ptr<RecordFile> file_;
    };

    Result<std::unique_ptr<RecordFile>> wrap(Result<std::unique_ptr<RecordFile>> file) const {
        std::unique_ptr<RecordFile> made = TRY(std::move(file));
        return std::unique_ptr<RecordFile>(new FailingFile(*this, std::move(made)));
    }
    Result<void> call(const char *name) const {
        if (++calls_ != failing_) return {};
        failed_ = name;
        return Error{code_, 0, name};
    }

    const unsigned failing_;
    const int code_;
    mutable unsigned calls_ = 0;
    mutable const char *failed_ = nullptr;
};

class FailingJournal : public test::JournalFile {
protected:
    // A journal's life: made, appended to, written anew, appended to, opened once more, appended to.
    void live(const FailingFiles &files) {
        VolumeState first;
        first.nodes[kRootInode].mode = S_IFDIR;
        first.next_inode = 10;
        {
            Result<std::unique_ptr<Journal>> journal = Journal::create(path(), first, files);
            note(journal);
            if (!journal) journal = Journal::create(path(), first, files); // as the user does it again
            ASSERT_TRUE(journal);
            for (InodeId id = 10; id < 14; ++id) append(**journal, id);
            note((*journal)->write_anew());
            for (InodeId id = 14; id < 18; ++id) append(**journal, id);
        }
        Result<Journal::Opened> opened = Journal::open(path(), files);
        note(opened);
        if (!opened) opened = Journal::open(path(), files);
        ASSERT_TRUE(opened) << opened.error().text();
        for (InodeId id = 18; id < 20; ++id) append(*opened->journal, id);
    }
    void append(Journal &journal, InodeId id) {
        VolumeState::Node node;
        node.mode = S_IFREG;
        const Result<void> appended = journal.append([&](RecordWriter &record) { record.inode(id, node); });
        note(appended);
        EXPECT_EQ(bool(journal.check()), bool(appended)) << "a change is acknowledged that isn't written";
        if (appended) acknowledged_.insert(id);
        if (!appended) must(journal.append([](RecordWriter &record) { record.next_inode(100); })); // and the one before
    }
    // An error tells the user which file it is about.
    void note(const auto &result) {
        if (result) return;
        ++failures_;
        EXPECT_NE(result.error().code, 0);
        EXPECT_NE(result.error().text().find(path()), std::string::npos) << result.error().text();
    }

    std::set<InodeId> acknowledged_;
    unsigned failures_ = 0;
};

TEST_F(FailingJournal, LosesNothingThatWasAcknowledgedWhicheverCallFails) {
    std::set<std::string> kinds;
    for (const int code : {EIO, ENOSPC}) {
        for (unsigned failing = 1;; ++failing) {
            acknowledged_.clear();
            failures_ = 0;
            std::filesystem::remove(path());
            const FailingFiles files(failing, code);
            live(files);
            if (files.failed() == nullptr) {
                EXPECT_EQ(acknowledged_.size(), 10U);
                break;
            }
            kinds.insert(files.failed());
            EXPECT_EQ(failures_, 1U) << "call " << failing << ", " << files.failed();
            const Journal::Opened left = must(Journal::open(path()));
            EXPECT_EQ(left.dropped, 0U);
            for (const InodeId id : acknowledged_)
                EXPECT_EQ(left.state.nodes.count(id), 1U) << "call " << failing << ", " << files.failed() << ": " << id;
            EXPECT_EQ(left.state.nodes.size(), 11U)
                << "the one that failed goes with the next one: call " << failing << ", " << files.failed();
        }
    }
    EXPECT_EQ(kinds, (std::set<std::string>{"create", "cut", "open", "read", "rename", "reserve", "write"}));
}

} // namespace
} // namespace gmemfs
