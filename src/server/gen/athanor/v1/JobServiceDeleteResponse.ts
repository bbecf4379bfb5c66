// Original file: proto/athanor/v1/job.proto


export interface JobServiceDeleteResponse {
}

export interface JobServiceDeleteResponse__Output {
}
